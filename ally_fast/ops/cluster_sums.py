"""Sums of the rows of each cluster, as integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ally_fast import _cpu, _settings
from ally_fast.clusters import ClusterSums, FeatureGrid
from ally_fast.memory import zeros


def cluster_sums(
    rows: Any, assignments: Any, k: int, grid: FeatureGrid, *, centroids: Any = None
) -> tuple[ClusterSums, Any]:
    """Sum the rows of each cluster; with `centroids`, also their squared distances to them.

    Parameters
    ----------
    rows : ndarray or DeviceArray of float32, shape (t, d), contiguous
        Among the rows that the grid was made for. All arrays, also those returned, are in the same
        memory.
    assignments : ndarray of int32, shape (t,)
        In ``[0, k)``.
    grid : FeatureGrid
    centroids : ndarray of float32, shape (k, d), optional

    Returns
    -------
    sums : ClusterSums
    spread : ndarray or DeviceArray of int64, shape (2,)
        For `FeatureGrid.distance`; zeros without centroids.

    Notes
    -----
    One read of the rows. Sums are of integers: the same for any order, number of threads and
    device.
    """
    result = ClusterSums(zeros((k, rows.shape[1]), np.int64, rows), zeros((k,), np.int64, rows))
    spread = zeros((2,), np.int64, rows)
    core, options = _core(rows)
    core.cluster_sums(
        rows,
        assignments,
        grid.values,
        grid.most,
        result.sums,
        result.counts,
        centroids=centroids,
        spread=None if centroids is None else spread,
        **options,
    )
    return result, spread


def _core(rows: Any) -> tuple[Any, dict[str, Any]]:
    if isinstance(rows, np.ndarray):
        return _cpu, {"isa": _settings.isa(), "threads": _settings.threads()}
    from ally_fast import _cuda

    return _cuda, {}
