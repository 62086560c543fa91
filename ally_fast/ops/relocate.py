"""Centroids moved from where they are hardly missed to where one more helps most."""

from __future__ import annotations

from typing import Any

import numpy as np

from ally_fast import _cpu, _settings


def relocate(centroids: Any, counts: Any, spread: Any, lists: Any, moves: int) -> Any:
    """Move up to `moves` centroids: the cheapest to remove each split a cluster of large spread.

    Removing a cluster costs what merging it with a listed one adds to inertia, ``n m / (n + m) D``
    (Ward), least over the list; a move must cost less than half the spread it splits.

    Parameters
    ----------
    centroids : ndarray or DeviceArray of float32, shape (k, d), contiguous, finite
        All arrays are in the same memory, and so is the answer.
    counts, spread : ndarray of int64 and float64, shape (k,)
        Rows of each cluster and their sum of squared distances to its mean.
    lists : ndarray of int32, shape (k, length)
        Each centroid's nearest ones, itself among them.
    moves : int
        At least 0.

    Returns
    -------
    ndarray of float32, shape (k, d)
        New centroids. A cluster takes part in one move at most; ties go to the lowest index.

    Notes
    -----
    O(k length d) time. The same answer for any number of threads.
    """
    if isinstance(centroids, np.ndarray):
        return _cpu.relocate(centroids, counts, spread, lists, moves, threads=_settings.threads())
    from ally_fast import _cuda

    moved = _cuda.DeviceArray.empty(centroids.shape, np.float32, centroids.stream)
    _cuda.relocate(centroids, counts, spread, lists, moves, moved)
    return moved
