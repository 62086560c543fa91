"""Learning loss."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ally_fast.strategies.contract import Context
from ally_fast.strategies.pieces import part_of, vector
from ally_fast.strategies.scored import ScoredStrategy


class LearningLoss(ScoredStrategy):
    """Take the rows for which a loss-prediction module predicts the highest loss.

    Notes
    -----
    Needs ``predicted_losses``, for any task. `ally_fast.strategies.loss_module` has the module, and
    the ranking loss that trains it beside the model. O(n) time; O(b) memory and one chunk. Ties go
    to the lower index. The paper ranks a random subset of the pool; this strategy ranks all of it.
    Source: Yoo, Kweon, "Learning loss for active learning", CVPR 2019.
    """

    name = "LearningLoss"
    piece = "predicted_losses"
    classification = False

    def scores(
        self, context: Context, lo: int, hi: int, keep: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return the predicted losses of rows ``lo`` to ``hi``."""
        return vector(self.name, self.piece, part_of(context.predicted_losses, lo, hi), keep, lo)
