"""Each cluster's best halves, from exact integer sums."""

from copy import deepcopy
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .feature_grid import distance_words, grid_steps, mean_row
from .squared_distance import ordered_sum, squared_distance

HALVINGS = 3


class Halves(NamedTuple):
    """What is known of each cluster's halves; fields as in ``ally_fast.ops.halve.Halves``."""

    centroids: npt.NDArray[np.float32]
    sums: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    gains: npt.NDArray[np.float64]
    spreads: npt.NDArray[np.int64]
    sides: npt.NDArray[np.uint8]


def merge_cost(distance: float, n: int, m: int) -> float:
    """Return Ward's cost of merging clusters of `n` and `m` rows; 0 if one is empty.

    Examples
    --------
    >>> merge_cost(4.0, 1, 3), merge_cost(4.0, 0, 3)
    (3.0, 0.0)
    """
    return distance * (float(n) * float(m) / float(n + m)) if n and m else 0.0


def distance_between(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    """Return the squared distance of two rows.

    Examples
    --------
    >>> distance_between(np.array([0.0, 3.0]), np.array([4.0, 0.0]))
    25.0
    """
    return float(squared_distance(a[None], b[None])[0, 0])


def sides_of(
    own: npt.NDArray[np.float32],
    mean: npt.NDArray[np.float32],
    direction: npt.NDArray[np.float64],
    limit: float,
) -> npt.NDArray[np.bool_]:
    """Tell which rows lie beyond the limit in a direction from the mean.

    Examples
    --------
    >>> rows, mean = np.array([[0.0], [3.0]]), np.array([1.0])
    >>> sides_of(rows, mean, np.array([2.0]), 3.0).tolist()
    [False, True]
    """
    from_mean = own.astype(np.float64) - mean.astype(np.float64)
    return np.asarray(ordered_sum(from_mean * direction) > limit)


def halve(
    rows: npt.NDArray[np.float32],
    assignments: npt.ArrayLike,
    centroids: npt.NDArray[np.float32],
    sums: npt.NDArray[np.int64],
    grid: npt.NDArray[np.float64],
    most: int,
    stale: npt.ArrayLike,
    before: Halves,
) -> Halves:
    """Halve the stale clusters by two-means among their own rows.

    Parameters
    ----------
    rows : ndarray, shape (t, d), float32
    assignments : array_like, shape (t,), int
    centroids : ndarray, shape (k, d), float32
        Means of the clusters.
    sums : ndarray, shape (k, d), int64
        Of all rows of each cluster.
    grid, most
        As in `cluster_sums`.
    stale : array_like, shape (k,)
    before : Halves

    Returns
    -------
    Halves
        Those of clusters that are not stale are the ones before.

    Examples
    --------
    >>> before = Halves(
    ...     *(np.zeros((1, 1), np.float32), np.zeros((1, 1), np.int64), np.zeros(1, np.int64)),
    ...     *(np.zeros(1), np.zeros((1, 2), np.int64), np.zeros(3, np.uint8)),
    ... )
    >>> x, grid = np.array([[0.0], [4.0], [5.0]], np.float32), np.array([0.0, 1.0, 1.0])
    >>> mean, sums = np.array([[3.0]], np.float32), np.array([[9]])
    >>> after = halve(x, [0, 0, 0], mean, sums, grid, 3, [1], before)
    >>> after.centroids.tolist(), after.gains.tolist(), after.sides.tolist()
    ([[0.0]], [13.5], [1, 0, 0])
    """
    clusters = np.asarray(assignments)
    after = deepcopy(before)
    for c in np.flatnonzero(stale).tolist():
        members, mean = np.flatnonzero(clusters == c), centroids[c]
        own = rows[members]
        distances = squared_distance(own, mean[None])[:, 0].tolist()
        words = [distance_words(value, grid, most) for value in distances]
        after.spreads[c] = [sum(high for high, _ in words), sum(low for _, low in words)]
        after.counts[c], after.gains[c], after.sides[members] = 0, 0.0, 0
        found = _two_means(own, mean, distances, sums[c].tolist(), grid)
        if found is not None:
            side, totals, far, near = found
            n = int(side.sum())
            after.sides[members] = side
            after.centroids[c], after.sums[c], after.counts[c] = far, totals, n
            after.gains[c] = merge_cost(distance_between(near, far), len(own) - n, n)
    return after


def _two_means(
    own: npt.NDArray[np.float32],
    mean: npt.NDArray[np.float32],
    distances: list[float],
    whole: list[int],
    grid: npt.NDArray[np.float64],
) -> (
    tuple[npt.NDArray[np.bool_], list[int], npt.NDArray[np.float32], npt.NDArray[np.float32]] | None
):
    """Return sides, sums of side 1, and both means; None if there are no two sides."""
    if not any(distances):
        return None
    farthest = distances.index(max(distances))
    direction, limit = own[farthest].astype(np.float64) - mean.astype(np.float64), 0.0
    for _ in range(HALVINGS):
        side = sides_of(own, mean, direction, limit)
        if side.all() or not side.any():
            return None
        steps = [grid_steps(row, grid) for row in own[side]]
        totals = [sum(column) for column in zip(*steps, strict=True)]
        rest = [total - part for total, part in zip(whole, totals, strict=True)]
        far = mean_row(totals, int(side.sum()), grid)
        near = mean_row(rest, int((~side).sum()), grid)
        direction = far.astype(np.float64) - near.astype(np.float64)
        limit = (distance_between(far, mean) - distance_between(near, mean)) / 2
    return side, totals, far, near
