"""The rule that decides which rows make a batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ally_fast.selection.allocation import Allocation


@dataclass(frozen=True, eq=False)
class Rule:
    """Which rows make a batch, given clusters and scores.

    Attributes
    ----------
    b, k : int
        Budget and number of clusters.
    allocation : Allocation
        How the budget is shared among the clusters.
    radius : float or None
        No two picks lie within it.
    normalize : bool
        Whether rows are compared at unit length.
    """

    b: int
    k: int
    allocation: Allocation
    radius: float | None
    normalize: bool

    @property
    def needs_assignments(self) -> bool:
        """Whether a pass over the pool cannot tell yet which rows may still be picked."""
        return self.radius is not None or self.allocation.needs_sizes

    def weights(self, sizes: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Return the clusters' weights, shape (k,); `sizes` if these decide."""
        return self.allocation.weights(sizes)
