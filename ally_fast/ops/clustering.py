"""Rows in clusters, as the operations that change clusters take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ally_fast.ops.cluster_sums import ClusterSums
from ally_fast.ops.feature_grid import FeatureGrid


@dataclass(frozen=True, eq=False)
class Clustering:
    """Rows, their clusters, and what the clusters add up to; all in the same memory.

    Attributes
    ----------
    rows : ndarray or DeviceArray of float32, shape (t, d), contiguous
    assignments : ndarray or DeviceArray of int32, shape (t,)
        In ``[0, k)``.
    centroids : ndarray or DeviceArray of float32, shape (k, d)
        Means of the sums, rounded; any value where a cluster is empty.
    sums : ClusterSums
        Of these rows.
    grid : FeatureGrid
        That of the sums.
    """

    rows: Any
    assignments: Any
    centroids: Any
    sums: ClusterSums
    grid: FeatureGrid
