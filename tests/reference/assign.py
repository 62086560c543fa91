"""Nearest centroid by brute force."""

import numpy as np
import numpy.typing as npt

from .squared_distance import normalize_rows, squared_distance


def assign(
    rows: npt.ArrayLike, centroids: npt.ArrayLike, *, normalize: bool = False
) -> npt.NDArray[np.int32]:
    """Give each row the centroid at the smallest squared distance.

    Parameters
    ----------
    rows : array_like, shape (m, d)
    centroids : array_like, shape (k, d)
    normalize : bool
        Scale the rows (not the centroids) to length 1 first.

    Returns
    -------
    ndarray, shape (m,), int32
        The lowest centroid on a tie.

    Examples
    --------
    >>> assign([[0.0], [0.5], [2.0]], [[0.0], [1.0]]).tolist()
    [0, 0, 1]
    """
    x = normalize_rows(rows) if normalize else rows
    nearest: npt.NDArray[np.int32] = squared_distance(x, centroids).argmin(axis=1).astype(np.int32)
    return nearest
