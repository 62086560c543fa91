"""Per-cluster sums in a fixed order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ally_fast import _cpu, _settings


def centroid_update(
    rows: NDArray[np.float32],
    assignments: NDArray[np.int32],
    centroids: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Sum the rows of each cluster about its old centroid, and their squared distances to it.

    The new mean is ``centroids + sums / counts``, and the sum of squared distances to that
    ``squares - ||sums||**2 / counts``.

    Parameters
    ----------
    rows : ndarray of float32, shape (t, d), contiguous
    assignments : ndarray of int32, shape (t,)
        In ``[0, k)``.
    centroids : ndarray of float32, shape (k, d), contiguous
        Subtracted from the rows first, so that a common offset costs no digits.

    Returns
    -------
    sums : ndarray of float64, shape (k, d)
    squares : ndarray of float64, shape (k,)
    counts : ndarray of int64, shape (k,)

    Notes
    -----
    Rows are cut into segments of 16384; within one, a cluster's rows are added in index order, and
    segments are added in order: the same sums for any number of threads.
    """
    return _cpu.centroid_update(rows, assignments, centroids, threads=_settings.threads())
