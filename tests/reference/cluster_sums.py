"""Each cluster's rows added up, in Python's integers."""

import numpy as np
import numpy.typing as npt

from .feature_grid import distance_words, grid_steps
from .squared_distance import squared_distance


def cluster_sums(
    rows: npt.ArrayLike,
    assignments: npt.ArrayLike,
    k: int,
    grid: npt.NDArray[np.float64],
    most: int,
    centroids: npt.ArrayLike | None = None,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Add up the rows of each cluster and, with centroids, their squared distances to these.

    Parameters
    ----------
    rows : array_like, shape (t, d), float32
    assignments : array_like, shape (t,), int
    k : int
    grid : ndarray, shape (2 d + 1,), float64
        Of `feature_grid`, for `most` rows.
    most : int
    centroids : array_like, shape (k, d), float32, optional

    Returns
    -------
    sums : ndarray, shape (k, d), int64
    counts : ndarray, shape (k,), int64
    spread : ndarray, shape (2,), int64
        High and low word; zeros without centroids.

    Examples
    --------
    >>> grid = np.array([1.0, 4.0, 1.0])
    >>> sums, counts, spread = cluster_sums([[1.0], [2.0], [4.0]], [0, 1, 0], 2, grid, 3)
    >>> sums.tolist(), counts.tolist(), spread.tolist()
    ([[12], [4]], [2, 1], [0, 0])
    """
    x = np.asarray(rows, dtype=np.float32)
    sums = [[0] * x.shape[1] for _ in range(k)]
    counts, high, low = [0] * k, 0, 0
    for row, c in zip(x, np.asarray(assignments).tolist(), strict=True):
        counts[c] += 1
        sums[c] = [total + step for total, step in zip(sums[c], grid_steps(row, grid), strict=True)]
        if centroids is not None:
            distance = float(squared_distance(row[None], np.asarray(centroids)[c : c + 1])[0, 0])
            words = distance_words(distance, grid, most)
            high, low = high + words[0], low + words[1]
    return np.array(sums, np.int64), np.array(counts, np.int64), np.array([high, low], np.int64)
