"""Rows near any of a set of rows, by brute force."""

import numpy as np
import numpy.typing as npt

from .squared_distance import squared_distance


def radius_filter(
    rows: npt.ArrayLike, others: npt.ArrayLike, radius: float
) -> npt.NDArray[np.bool_]:
    """Mark the rows that lie within ``radius`` of at least one of the others.

    Parameters
    ----------
    rows : array_like, shape (m, d)
    others : array_like, shape (l, d)
    radius : float
        Euclidean distance; a row exactly at it is within it.

    Returns
    -------
    ndarray, shape (m,), bool

    Examples
    --------
    >>> radius_filter([[0.0], [1.0], [2.5]], [[0.0]], 1.0).tolist()
    [True, True, False]
    """
    near = squared_distance(rows, others) <= radius * radius
    return np.asarray(near.any(axis=1), dtype=np.bool_)
