"""Centroids moved from where they are hardly missed to where one more helps most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ally_fast import _cpu, _settings


def relocate(
    centroids: NDArray[np.float32],
    counts: NDArray[np.int64],
    spread: NDArray[np.float64],
    lists: NDArray[np.int32],
    moves: int,
) -> NDArray[np.float32]:
    """Move up to `moves` centroids: the cheapest to remove each split a cluster of large spread.

    Removing a cluster costs what merging it with a listed one adds to inertia, ``n m / (n + m) D``
    (Ward), least over the list; a move must cost less than half the spread it splits.

    Parameters
    ----------
    centroids : ndarray of float32, shape (k, d), contiguous, finite
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
    return _cpu.relocate(centroids, counts, spread, lists, moves, threads=_settings.threads())
