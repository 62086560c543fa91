"""Nearest centroids among short lists: the cheap iterations of training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ally_fast import _cpu, _settings
from ally_fast._cpu import CentroidTable


def nearest_lists(
    queries: NDArray[np.float32], table: CentroidTable, length: int
) -> NDArray[np.int32]:
    """Return the `length` centroids nearest to each query, as ascending indices.

    Parameters
    ----------
    queries : ndarray of float32, shape (q, d), contiguous, finite
    table : CentroidTable
        k centroids.
    length : int
        ``1 <= length <= k``.

    Returns
    -------
    ndarray of int32, shape (q, length)
        Nearest by (squared distance, index), exactly.
    """
    return _cpu.nearest_lists(queries, table, length, threads=_settings.threads())


def assign_among(
    rows: NDArray[np.float32],
    table: CentroidTable,
    previous: NDArray[np.int32],
    lists: NDArray[np.int32],
) -> NDArray[np.int32]:
    """Assign each row to the nearest of the centroids listed for its previous cluster.

    Parameters
    ----------
    rows : ndarray of float32, shape (t, d), contiguous, finite
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
    return _cpu.assign_among(rows, table, previous, lists, threads=_settings.threads())
