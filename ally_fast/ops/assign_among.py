"""Nearest centroids among short lists: the cheap iterations of training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ally_fast import _cpu, _settings

if TYPE_CHECKING:
    from ally_fast import _cuda

    Table = _cpu.CentroidTable | _cuda.CentroidTable


def nearest_lists(queries: Any, table: Table, length: int) -> Any:
    """Return the `length` centroids nearest to each query, as ascending indices.

    Parameters
    ----------
    queries : ndarray or DeviceArray of float32, shape (q, d), contiguous, finite
    table : CentroidTable
        k centroids.
    length : int
        ``1 <= length <= k``.

    Returns
    -------
    ndarray of int32, shape (q, length)
        Nearest by (squared distance, index), exactly.
    """
    if isinstance(table, _cpu.CentroidTable):
        return _cpu.nearest_lists(queries, table, length, threads=_settings.threads())
    from ally_fast import _cuda

    lists = _cuda.DeviceArray.empty((len(queries), length), np.int32, queries.stream)
    _cuda.nearest_lists(queries, table, length, lists)
    return lists


def assign_among(rows: Any, table: Table, previous: Any, lists: Any) -> Any:
    """Assign each row to the nearest of the centroids listed for its previous cluster.

    Parameters
    ----------
    rows : ndarray or DeviceArray of float32, shape (t, d), contiguous, finite
    table : CentroidTable
        k centroids.
    previous : ndarray of int32, shape (t,)
        A row of `lists` for each row.
    lists : ndarray of int32, shape (groups, length)
        Ascending centroids, as `nearest_lists` returns them.

    Returns
    -------
    ndarray of int32, shape (t,)
        The exact nearest of the list, lowest index on a tie.

    Notes
    -----
    O(t length d) time in low precision.
    """
    if isinstance(table, _cpu.CentroidTable):
        return _cpu.assign_among(rows, table, previous, lists, threads=_settings.threads())
    from ally_fast import _cuda

    assignments = _cuda.DeviceArray.empty((len(rows),), np.int32, rows.stream)
    _cuda.assign_among(rows, table, previous, lists, assignments)
    return assignments
