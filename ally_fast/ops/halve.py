"""Each cluster's best halves, and what halving it gains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ally_fast import _cpu, _settings
from ally_fast.ops.cluster_sums import ClusterSums
from ally_fast.ops.clustering import Clustering
from ally_fast.ops.rows import zeros


@dataclass(frozen=True, eq=False)
class Halves:
    """One of each cluster's two halves; the rest of its rows are the other.

    Attributes
    ----------
    stale : array of uint8, shape (k,)
        1 where the cluster has changed since it was halved.
    centroids : array of float32, shape (k, d)
    sums : ClusterSums
        A count of 0 where a cluster cannot be halved.
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


def unhalved(clustering: Clustering) -> Halves:
    """Return halves of which all are stale."""
    k, d = clustering.centroids.shape
    like = clustering.rows
    stale: Any = np.ones(k, np.uint8)
    if not isinstance(like, np.ndarray):
        from ally_fast import _cuda

        stale = _cuda.DeviceArray.from_host(stale, like.stream)
    return Halves(
        stale,
        zeros((k, d), np.float32, like),
        ClusterSums(zeros((k, d), np.int64, like), zeros((k,), np.int64, like)),
        zeros((k,), np.float64, like),
        zeros((k, 2), np.int64, like),
        zeros((len(like),), np.uint8, like),
    )


def halve(clustering: Clustering, halves: Halves) -> None:
    """Halve the stale clusters by two-means among their own rows, in place.

    The first line goes through the mean, across the way to the row farthest from it; then three
    times the rows of each side make a mean, and each row takes the nearer of the two.

    Parameters
    ----------
    clustering : Clustering
    halves : Halves
        From `unhalved`, or as `relocate` left them.

    Notes
    -----
    O(t d) time for t rows of stale clusters, which stay in cache. The same answer for any number
    of threads and device.
    """
    rows = clustering.rows
    arguments = (
        rows,
        clustering.assignments,
        clustering.centroids,
        clustering.sums.sums,
        clustering.sums.counts,
        clustering.grid.values,
        clustering.grid.most,
        halves.stale,
        halves.centroids,
        halves.sums.sums,
        halves.sums.counts,
        halves.gains,
        halves.spreads,
        halves.sides,
    )
    if isinstance(rows, np.ndarray):
        _cpu.halve(*arguments, _settings.isa(), threads=_settings.threads())
        return
    from ally_fast import _cuda

    _cuda.halve(*arguments)
