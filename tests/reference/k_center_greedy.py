"""Farthest-first traversal, one pick at a time."""

import numpy as np
import numpy.typing as npt

from .squared_distance import squared_distance


def k_center_greedy(
    rows: npt.ArrayLike,
    b: int,
    starts: npt.ArrayLike | None = None,
    first: int | None = None,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Pick ``b`` rows, each the farthest from starting points and picks so far.

    Parameters
    ----------
    rows : array_like, shape (n, d)
    b : int
        At most n.
    starts : array_like, shape (l, d), optional
    first : int, optional
        The first pick where there are no starting points.

    Returns
    -------
    picks : ndarray, shape (b,), int64
        In order; of rows equally far the one with the lowest index.
    distances : ndarray, shape (b,), float64
        Squared distance of each pick to the nearest of those before it, infinity if none is.

    Examples
    --------
    >>> picks, distances = k_center_greedy([[0.0], [1.0], [5.0], [7.0]], 3, first=0)
    >>> picks.tolist(), distances.tolist()
    ([0, 3, 2], [inf, 49.0, 4.0])
    """
    x = np.asarray(rows, dtype=np.float64)
    nearest = np.full(x.shape[0], np.inf)
    if starts is not None:
        nearest = squared_distance(x, starts).min(axis=1)
    left = np.ones(x.shape[0], dtype=np.bool_)
    picks, distances = [], []
    for place in range(b):
        pick = int(np.argmax(np.where(left, nearest, -1.0)))
        if place == 0 and first is not None:
            pick = first
        picks.append(pick)
        distances.append(nearest[pick])
        left[pick] = False
        nearest = np.minimum(nearest, squared_distance(x, x[[pick]])[:, 0])
    return np.array(picks, dtype=np.int64), np.array(distances, dtype=np.float64)
