"""The rule that decides which rows make a batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ally_fast.selection.allocation import Allocation

TIE_BREAKS = ("index", "random")


@dataclass(frozen=True, eq=False)
class Rule:
    """Which rows make a batch, given clusters and scores.

    Attributes
    ----------
    b, k : int
        Budget and number of clusters.
    allocation : Allocation
        How clusters share the budget.
    radius : float or None
        No two picks lie within this distance of each other.
    normalize : bool
        Whether rows are compared at unit length.
    tie_seed : int or None
        Seed of the order of rows with equal scores; None: by index.
    limited : bool
        Whether groups or costs limit the batch.
    """

    b: int
    k: int
    allocation: Allocation
    radius: float | None
    normalize: bool
    tie_seed: int | None = None
    limited: bool = False

    @property
    def greedy(self) -> bool:
        """Whether each pick decides what may be picked next."""
        return self.radius is not None or self.limited

    @property
    def needs_assignments(self) -> bool:
        """Whether a pass over the pool must keep the cluster of every row."""
        return self.greedy or self.allocation.needs_sizes

    def weights(self, sizes: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Return the weights of the clusters, shape (k,); see `Allocation.weights`."""
        return self.allocation.weights(sizes)
