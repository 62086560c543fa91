"""New centroids from assigned rows, in the fixed order of additions that defines them."""

import math

import numpy as np
import numpy.typing as npt

from .squared_distance import PARTIALS, sum_of_squares

SEGMENT_ROWS = 16384
COPIES = 1e-12  # a spread of at most this, relative to the squares, is rounding
SPLIT = 0.05  # how far the halves of a cluster start apart, relative to its radius


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


def cluster_sums(
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
    >>> sums, squares, counts = cluster_sums([[1.0], [2.0], [4.0]], [0, 1, 0], [[1.0], [0.0]])
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


def split_offset(spread: float, count: int, d: int) -> npt.NDArray[np.float64]:
    """Return what sets the halves of a cluster apart: plus and minus a share of its radius.

    Parameters
    ----------
    spread : float
        Sum of squared distances of the cluster's rows to its mean.
    count, d : int
        Rows and features.

    Returns
    -------
    ndarray, shape (d,), float64

    Examples
    --------
    >>> split_offset(1200.0, 1, 3).tolist()
    [1.0, -1.0, 1.0]
    """
    radius = SPLIT * math.sqrt(spread / max(count, 1) / d)
    offset = np.full(d, radius, dtype=np.float64)
    offset[1::2] = -radius
    return offset


def centroid_update(
    rows: npt.ArrayLike,
    assignments: npt.ArrayLike,
    centroids: npt.ArrayLike,
    normalize: bool = False,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.float64], float]:
    """Return the means of the clusters as new centroids; empty ones halve one of large spread.

    Parameters
    ----------
    rows : array_like, shape (t, d)
    assignments : array_like, shape (t,), int
    centroids : array_like, shape (k, d)
        The old ones.
    normalize : bool
        Divide each mean by its length; one without length stays zeros.

    Returns
    -------
    centroids : ndarray, shape (k, d), float32
    counts : ndarray, shape (k,), int64
    spread : ndarray, shape (k,), float64
        Sum of squared distances to the mean, before any cluster is halved.
    inertia : float
        Sum of the spreads in eight partial sums, as in ``sum_of_squares``.

    Examples
    --------
    >>> means, counts, spread, inertia = centroid_update([[1.0], [5.0]], [0, 0], [[0.0]])
    >>> means.tolist(), counts.tolist(), spread.tolist(), inertia
    ([[3.0]], [2], [8.0], 8.0)
    """
    sums, squares, counts = cluster_sums(rows, assignments, centroids)
    divisors = np.maximum(counts, 1).astype(np.float64)
    spread = squares - sum_of_squares(sums) / divisors
    spread[spread <= COPIES * squares] = 0.0
    means = np.asarray(centroids, dtype=np.float64) + sums / divisors[:, None]
    halved = spread.copy()
    for empty in np.flatnonzero(counts == 0):
        largest = int(halved.argmax())
        if halved[largest] == 0:
            break
        offset = split_offset(float(halved[largest]), int(counts[largest]), means.shape[1])
        means[empty], means[largest] = means[largest] + offset, means[largest] - offset
        halved[empty] = halved[largest] = halved[largest] / 2
    if normalize:
        lengths = np.sqrt(sum_of_squares(means))
        for c in range(len(means)):
            means[c] = means[c] / lengths[c] if lengths[c] > 0 else 0.0
    a = np.zeros(PARTIALS)
    for c, value in enumerate(spread):
        a[c % PARTIALS] += value
    inertia = ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
    return means.astype(np.float32), counts, spread, float(inertia)
