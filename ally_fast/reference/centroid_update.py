"""Sums of the rows of each cluster, in the fixed order of additions that defines them."""

import numpy as np
import numpy.typing as npt

from .squared_distance import sum_of_squares

SEGMENT_ROWS = 16384


def segment_sums(
    rows: npt.ArrayLike, assignments: npt.ArrayLike, k: int
) -> npt.NDArray[np.float64]:
    """Add up the rows of each cluster in float64, one after the other in index order.

    Parameters
    ----------
    rows : array_like, shape (t, d)
    assignments : array_like, shape (t,), int
        Cluster of each row, in [0, k).
    k : int
        Number of clusters.

    Returns
    -------
    ndarray, shape (k, d), float64

    Examples
    --------
    >>> segment_sums([[1.0], [2.0], [4.0]], [0, 1, 0], 2).tolist()
    [[5.0], [2.0]]
    """
    wide = np.asarray(rows, dtype=np.float64)
    sums = np.zeros((k, wide.shape[1]), dtype=np.float64)
    for row, cluster in zip(wide, np.asarray(assignments), strict=True):
        sums[cluster] += row
    return sums


def centroid_update(
    rows: npt.ArrayLike, assignments: npt.ArrayLike, centroids: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Sum the rows of each cluster about its centroid and their squared distances; count them.

    Rows are cut into segments of 16384; the sums of the segments are added in order.

    Parameters
    ----------
    rows : array_like, shape (t, d)
    assignments : array_like, shape (t,), int
    centroids : array_like, shape (k, d)
        Subtracted from the rows in float64.

    Returns
    -------
    sums : ndarray, shape (k, d), float64
    squares : ndarray, shape (k,), float64
        Sum of the squared distances, each in the order of ``sum_of_squares``.
    counts : ndarray, shape (k,), int64

    Examples
    --------
    >>> sums, squares, counts = centroid_update([[1.0], [2.0], [4.0]], [0, 1, 0], [[1.0], [0.0]])
    >>> sums.tolist(), squares.tolist(), counts.tolist()
    ([[3.0], [2.0]], [9.0, 4.0], [2, 1])
    """
    clusters = np.asarray(assignments, dtype=np.int64)
    table = np.asarray(centroids, dtype=np.float64)
    k = len(table)
    wide = np.asarray(rows, dtype=np.float64) - table[clusters]
    norms = sum_of_squares(wide)[:, None]
    sums = np.zeros((k, wide.shape[1]), dtype=np.float64)
    squares = np.zeros((k, 1), dtype=np.float64)
    for first in range(0, wide.shape[0], SEGMENT_ROWS):
        piece = slice(first, first + SEGMENT_ROWS)
        sums += segment_sums(wide[piece], clusters[piece], k)
        squares += segment_sums(norms[piece], clusters[piece], k)
    return sums, squares[:, 0], np.bincount(clusters, minlength=k).astype(np.int64)
