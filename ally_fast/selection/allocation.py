"""How clusters share the budget."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import checks
from ally_fast.arrays import as_array, beyond_float64
from ally_fast.device_arrays import host_copy

NAMES = ("equal", "proportional", "sqrt")


class Allocation:
    """Weights of the highest-averages (Webster, Sainte-Lague) rule.

    Parameters
    ----------
    allocation : "equal", "proportional", "sqrt" or array, shape (k,)
        An array holds the weights themselves, finite and above 0.
    k : int
        Number of clusters.
    """

    def __init__(self, allocation: Any, k: int) -> None:
        self.name: str | None = None
        if isinstance(allocation, str):
            self.name = checks.choice(allocation, "allocation", NAMES)
            self._weights = np.ones(k)
            return
        array = as_array(host_copy(allocation), "allocation", ndim=1).numbers()
        if len(array) != k:
            raise ValueError(f"allocation: got {len(array)} weights, needs k = {k}")
        lost = beyond_float64(array)
        if lost.any():
            raise ValueError(
                f"allocation: got weight {array[lost.argmax()]} for cluster {int(lost.argmax())}, "
                "which float64 cannot hold; needs integers up to 2**53, or floats"
            )
        self._weights = np.array(array, np.float64)
        bad = ~(np.isfinite(self._weights) & (self._weights > 0))
        if bad.any():
            raise ValueError(
                f"allocation: got weight {self._weights[bad.argmax()]} for cluster "
                f"{int(bad.argmax())}, needs finite weights above 0"
            )

    @property
    def needs_sizes(self) -> bool:
        """Whether the weights depend on how many eligible rows each cluster has."""
        return self.name in ("proportional", "sqrt")

    def weights(self, sizes: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Return the weights of the clusters, shape (k,); pass `sizes` if `needs_sizes`."""
        if not self.needs_sizes or sizes is None:
            return self._weights
        shares = np.maximum(sizes, 1).astype(np.float64)  # no row carries an empty one's weight
        return np.sqrt(shares) if self.name == "sqrt" else shares


def quotients(
    ranks: NDArray[np.int64], clusters: NDArray[np.int32], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``(rank + 1/2) / weight``; rows with the lowest quotients are picked first."""
    return (ranks + 0.5) / weights[clusters]
