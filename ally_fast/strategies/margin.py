"""Margin sampling."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ally_fast.strategies.contract import Context
from ally_fast.strategies.pieces import class_probabilities, part_of
from ally_fast.strategies.scored import ScoredStrategy


class MarginSampling(ScoredStrategy):
    """Take the rows whose two most probable classes have the closest probabilities.

    Notes
    -----
    Needs ``probabilities``. O(n C) time; O(b) memory and one chunk. Ties go to the lower index.
    Source: Scheffer, Decomain, Wrobel, "Active hidden Markov models for information extraction",
    IDA 2001.
    """

    name = "MarginSampling"
    piece = "probabilities"

    def scores(
        self, context: Context, lo: int, hi: int, keep: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return minus the margins of rows ``lo`` to ``hi``."""
        return margin_scores(self.name, context, lo, hi, keep)


def margin_scores(
    strategy: str, context: Context, lo: int, hi: int, keep: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the second largest probability less the largest, of rows ``lo`` to ``hi``."""
    part = part_of(context.probabilities, lo, hi)
    return margins(class_probabilities(strategy, "probabilities", part, keep, lo))


def margins(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return minus the margin of each row: its second largest value less its largest."""
    best = np.partition(probabilities, probabilities.shape[1] - 2, axis=1)[:, -2:]
    scores: NDArray[np.float64] = best[:, 0] - best[:, 1]
    return scores
