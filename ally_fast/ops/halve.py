"""The best halves of each cluster, and what halving it gains."""

from __future__ import annotations

import numpy as np

from ally_fast import _cpu, _settings
from ally_fast.clusters import Clustering, ClusterSums, Halves
from ally_fast.memory import beside, zeros


def unhalved(clustering: Clustering) -> Halves:
    """Return halves that are all stale."""
    k, d = clustering.centroids.shape
    like = clustering.rows
    return Halves(
        beside(like, np.ones(k, np.uint8)),
        zeros((k, d), np.float32, like),
        ClusterSums(zeros((k, d), np.int64, like), zeros((k,), np.int64, like)),
        zeros((k,), np.float64, like),
        zeros((k, 2), np.int64, like),
        zeros((len(like),), np.uint8, like),
    )


def halve(clustering: Clustering, halves: Halves) -> None:
    """Halve the stale clusters by two-means among their own rows, in place.

    The first cut goes through the mean, across the direction of the row farthest from it. Then,
    three times, the rows of each side make a mean, and each row goes to the nearer of the two.

    Parameters
    ----------
    clustering : Clustering
    halves : Halves
        From `unhalved`, or as `relocate` left them.

    Notes
    -----
    O(t d) time for t rows of stale clusters, which stay in cache. The answer is the same for any
    number of threads and any device.
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
