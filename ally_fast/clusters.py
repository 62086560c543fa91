"""Clusters of rows, in the form in which training operations pass them on.

All arrays of one value are in the same memory, that of the host or of a device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ally_fast.memory import to_host


@dataclass(frozen=True, eq=False)
class FeatureGrid:
    """The grid that turns the values of each feature into integers.

    Attributes
    ----------
    values : ndarray or DeviceArray of float64, shape (2 d + 1,)
        The shift of each feature, the scale of each (a power of two), and the scale of squared
        distances.
    most : int
        Number of rows that may be summed on it.
    """

    values: Any
    most: int

    def distance(self, words: Any) -> float:
        """Return a sum of squared distances, shape (2,) or the sum over rows of (m, 2)."""
        high, low = (int(word) for word in np.reshape(to_host(words), (-1, 2)).sum(axis=0))
        return float((high << 40) + low) / float(to_host(self.values)[-1])


@dataclass(frozen=True, eq=False)
class ClusterSums:
    """Sums of the rows of each cluster; sums of parts add up to those of the whole, bit for bit.

    Attributes
    ----------
    sums : ndarray or DeviceArray of int64, shape (k, d)
        In steps of the grid, about its shift.
    counts : ndarray or DeviceArray of int64, shape (k,)
        Number of rows of each cluster.
    """

    sums: Any
    counts: Any


@dataclass(frozen=True, eq=False)
class ClusterAverages:
    """Moving averages over batches.

    Attributes
    ----------
    sizes : ndarray or DeviceArray of float64, shape (k,)
        Number of rows of each cluster in a batch.
    sums : ndarray or DeviceArray of float64, shape (k, d)
        Their sums, about the grid's shift.
    """

    sizes: Any
    sums: Any


@dataclass(frozen=True, eq=False)
class Clustering:
    """Rows, their clusters, and the sums of the clusters; all in the same memory.

    Attributes
    ----------
    rows : ndarray or DeviceArray of float32, shape (t, d), contiguous
    assignments : ndarray or DeviceArray of int32, shape (t,)
        In ``[0, k)``.
    centroids : ndarray or DeviceArray of float32, shape (k, d)
        Means of the sums, rounded; any values for an empty cluster.
    sums : ClusterSums
        Sums of these rows.
    grid : FeatureGrid
        The grid of the sums.
    """

    rows: Any
    assignments: Any
    centroids: Any
    sums: ClusterSums
    grid: FeatureGrid


@dataclass(frozen=True, eq=False)
class Halves:
    """One half of each cluster; the rest of its rows are the other half.

    Attributes
    ----------
    stale : array of uint8, shape (k,)
        1 if the cluster has changed since it was halved.
    centroids : array of float32, shape (k, d)
    sums : ClusterSums
        The count is 0 if a cluster cannot be halved.
    gains : array of float64, shape (k,)
        How much the sum of squared distances falls: Ward's cost of merging the halves.
    spreads : array of int64, shape (k, 2)
        Sum of squared distances to the cluster's mean, for `FeatureGrid.distance`.
    sides : array of uint8, shape (t,)
        1 for rows of this half.
    """

    stale: Any
    centroids: Any
    sums: ClusterSums
    gains: Any
    spreads: Any
    sides: Any
