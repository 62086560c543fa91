"""Merge clusters that are hardly missed, and split those that two centroids serve better."""

from __future__ import annotations

from typing import Any

import numpy as np

from ally_fast import _cpu, _settings
from ally_fast.clusters import Clustering, Halves
from ally_fast.memory import to_host, zeros


def relocate(clustering: Clustering, halves: Halves, nearest: tuple[Any, Any], bit: int) -> float:
    """Move centroids in place, as long as a split gains more than a merge costs.

    A cluster is merged with the nearest one among those whose number differs in bit `bit`. This
    costs ``n m / (n + m) D`` (Ward). A move merges one cluster, and gives its number to a half of
    another. A cluster takes part in at most one move.

    Parameters
    ----------
    clustering : Clustering
        At least two clusters. Assignments, centroids and sums change.
    halves : Halves
        From `halve`, with nothing stale. Clusters that changed are stale afterwards.
    nearest : tuple of two arrays of int32
        For each cluster whose bit is 0, the position of the nearest centroid among those whose bit
        is 1, and the other way round.
    bit : int
        ``2**bit < k``.

    Returns
    -------
    float
        A lower bound on how much the sum of squared distances to the means falls.

    Notes
    -----
    O(t + k (d + log k)) time. The answer is the same for any number of threads and any device.
    """
    centroids = clustering.centroids
    arguments = (
        clustering.assignments,
        centroids,
        clustering.sums.sums,
        clustering.sums.counts,
        clustering.grid.values,
        *nearest,
        bit,
        halves.stale,
        halves.centroids,
        halves.sums.sums,
        halves.sums.counts,
        halves.gains,
        halves.sides,
    )
    if isinstance(centroids, np.ndarray):
        return _cpu.relocate(*arguments, threads=_settings.threads())
    from ally_fast import _cuda

    gained: Any = zeros((1,), np.float64, centroids)
    _cuda.relocate(*arguments, gained)
    return float(to_host(gained)[0])
