"""New centroids from the sums of a batch, one number after the other."""

import math

import numpy as np
import numpy.typing as npt

from .squared_distance import sum_of_squares


def centroid_update(
    batch: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    grid: npt.NDArray[np.float64],
    averages: tuple[npt.ArrayLike, npt.ArrayLike],
    centroids: npt.ArrayLike,
    keep: float,
    add: float,
    normalize: bool = False,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """Blend the sums of a batch into averages of sizes and sums; centroids are their ratio.

    Parameters
    ----------
    batch : sums, shape (k, d), and counts, shape (k,)
        Of `cluster_sums`.
    grid : ndarray, shape (2 d + 1,), float64
    averages : sizes, shape (k,), and sums, shape (k, d)
    centroids : array_like, shape (k, d)
    keep, add : float
        Weights of the averages and of the batch.
    normalize : bool
        Divide by the length; one without length becomes zeros.

    Returns
    -------
    sizes : ndarray, shape (k,), float64
    sums : ndarray, shape (k, d), float64
    centroids : ndarray, shape (k, d), float32
        Those of clusters without weight are the old ones.

    Examples
    --------
    >>> batch = np.array([[12], [4]]), np.array([2, 0])
    >>> averages = np.zeros(2), np.zeros((2, 1))
    >>> update = centroid_update(batch, np.array([1.0, 4.0, 1.0]), averages, [[0], [7]], 0, 1)
    >>> [array.tolist() for array in update]
    [[2.0, 0.0], [[3.0], [1.0]], [[2.5], [7.0]]]
    """
    totals, counts = batch
    sizes, sums = (np.array(average, dtype=np.float64) for average in averages)
    moved = np.array(centroids, dtype=np.float32)
    k, d = totals.shape
    shift, scale = grid[:d].tolist(), grid[d : 2 * d].tolist()
    for c in range(k):
        sizes[c] = keep * float(sizes[c]) + add * float(int(counts[c]))
        for j in range(d):
            about_shift = float(int(totals[c, j])) / scale[j]
            sums[c, j] = keep * float(sums[c, j]) + add * about_shift
        if sizes[c] <= 0:
            continue
        mean = [shift[j] + float(sums[c, j]) / float(sizes[c]) for j in range(d)]
        if normalize:
            length = math.sqrt(float(sum_of_squares(mean)))
            mean = [value / length if length > 0 else 0.0 for value in mean]
        moved[c] = mean
    return sizes, sums, moved
