"""Entropy sampling."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ally_fast.strategies.contract import Context
from ally_fast.strategies.pieces import class_probabilities, part_of
from ally_fast.strategies.scored import ScoredStrategy


def entropy(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each row's ``-sum p log p`` in nats; ``0 log 0`` is 0."""
    logs = np.log(probabilities, out=np.zeros_like(probabilities), where=probabilities > 0)
    total: NDArray[np.float64] = -(probabilities * logs).sum(axis=1)
    return total


class EntropySampling(ScoredStrategy):
    """Take the rows whose class probabilities have the highest entropy.

    Notes
    -----
    Needs ``probabilities``. O(n C) time; O(b) memory and one chunk. Ties go to the lower index.
    Logarithms are NumPy's, so rows whose entropies differ only in the last bit may swap places on
    another machine. Source: Shannon 1948; Settles, "Active learning literature survey", 2009.
    """

    name = "EntropySampling"
    piece = "probabilities"

    def scores(
        self, context: Context, lo: int, hi: int, keep: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return the entropies of rows ``lo`` to ``hi``."""
        part = part_of(context.probabilities, lo, hi)
        return entropy(class_probabilities(self.name, self.piece, part, keep, lo))
