"""BALD: rows on which stochastic passes disagree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ally_fast.strategies.contract import Context
from ally_fast.strategies.entropy import entropy
from ally_fast.strategies.pieces import class_probabilities, passes
from ally_fast.strategies.scored import ScoredStrategy

_ROUNDING = 2.0**-40  # less information than this is only rounding


class BALD(ScoredStrategy):
    """Take the rows on which stochastic passes of the model disagree most, though each is sure.

    The score is the mutual information of the prediction and the parameters,
    ``H(mean_t p_t) - mean_t H(p_t)``. Below 2**-40 nats, where rounding would decide, it is 0.

    Notes
    -----
    Needs ``mc_probabilities``. O(n T C) time; O(b) memory and one chunk of two passes, for any T.
    Ties go to the lower index. Logarithms are NumPy's, as in `EntropySampling`. Source: Houlsby,
    Huszár, Ghahramani, Lengyel 2011; Gal, Islam, Ghahramani, "Deep Bayesian active learning with
    image data", ICML 2017.
    """

    name = "BALD"
    piece = "mc_probabilities"

    def scores(
        self, context: Context, lo: int, hi: int, keep: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return the mutual information of rows ``lo`` to ``hi``."""
        count = 0
        total: NDArray[np.float64] = np.zeros((hi - lo, 1))
        entropies = np.zeros(hi - lo)
        for part in passes(context.mc_probabilities, lo, hi):
            values = class_probabilities(self.name, self.piece, part, keep, lo)
            if count and values.shape != total.shape:
                raise ValueError(
                    f"{self.name}: {self.piece}: pass {count} has {values.shape[1]} classes, "
                    f"the first has {total.shape[1]}"
                )
            total = total + values
            entropies += entropy(values)
            count += 1
        if count < 2:
            raise ValueError(
                f"{self.name}: {self.piece}: got {count} stochastic passes, needs at least 2"
            )
        information = entropy(total / count) - entropies / count
        return np.where(information > _ROUNDING, information, 0.0)
