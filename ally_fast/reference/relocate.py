"""Centroids moved from where they are hardly missed to where one more helps most."""

import numpy as np
import numpy.typing as npt

from .centroid_update import split_offset
from .squared_distance import squared_distance


def removal_costs(
    centroids: npt.ArrayLike, counts: npt.ArrayLike, lists: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    """Return what removing each cluster would add to inertia, and who would take its rows.

    Ward's cost of merging with another cluster, ``n m / (n + m) D``, least over the listed ones.

    Parameters
    ----------
    centroids : array_like, shape (k, d)
    counts : array_like, shape (k,), int
    lists : array_like, shape (k, length), int
        Each centroid's nearest ones, itself among them.

    Returns
    -------
    costs : ndarray, shape (k,), float64
        Infinite for a cluster alone in its list.
    heirs : ndarray, shape (k,), int32
        The first of the list on a tie.

    Examples
    --------
    >>> costs, heirs = removal_costs([[0.0], [2.0]], [1, 3], [[0, 1], [0, 1]])
    >>> costs.tolist(), heirs.tolist()
    ([3.0, 3.0], [1, 0])
    """
    table = np.asarray(centroids, dtype=np.float64)
    near = np.asarray(lists, dtype=np.int32)
    sizes = np.asarray(counts).astype(np.float64)
    distances = squared_distance(table, table)
    costs = np.full(len(table), np.inf)
    heirs = near[:, 0].copy()
    for c in range(len(table)):
        for other in near[c]:
            n, m = sizes[c], sizes[other]
            cost = distances[c, other] * (n * m / max(n + m, 1.0))
            if other != c and cost < costs[c]:
                costs[c], heirs[c] = cost, other
    return costs, heirs


def relocate(
    centroids: npt.ArrayLike,
    counts: npt.ArrayLike,
    spread: npt.ArrayLike,
    lists: npt.ArrayLike,
    moves: int,
) -> npt.NDArray[np.float32]:
    """Move up to ``moves`` centroids: the cheapest to remove each split a cluster of large spread.

    Parameters
    ----------
    centroids : array_like, shape (k, d)
    counts, spread : array_like, shape (k,)
        Rows of each cluster and their sum of squared distances to its mean.
    lists : array_like, shape (k, length), int
    moves : int

    Returns
    -------
    ndarray, shape (k, d), float32
        A cluster takes part in one move at most; ties go to the lowest index.

    Examples
    --------
    >>> lists = [[0, 1], [0, 1], [1, 2]]
    >>> relocate([[0.0], [1.0], [8.0]], [1, 1, 4], [0, 0, 1600], lists, 1).tolist()
    [[9.0], [0.5], [7.0]]
    """
    costs, heirs = removal_costs(centroids, counts, lists)
    sizes, spreads = np.asarray(counts, dtype=np.int64), np.asarray(spread, dtype=np.float64)
    moved = np.asarray(centroids, dtype=np.float64).copy()
    donors = iter(np.argsort(costs, kind="stable"))
    busy: set[int] = set()
    for split in np.argsort(-spreads, kind="stable")[: 2 * moves]:
        if moves == 0 or spreads[split] <= 0:
            break
        if split in busy:
            continue
        for donor in donors:
            heir = heirs[donor]
            if not busy & {donor, heir} and split not in (donor, heir):
                break
        else:
            break
        if costs[donor] >= spreads[split] / 2:
            break
        merged = moved[donor] * sizes[donor] + moved[heir] * sizes[heir]
        moved[heir] = merged / max(sizes[donor] + sizes[heir], 1)
        offset = split_offset(float(spreads[split]), int(sizes[split]), moved.shape[1])
        moved[donor], moved[split] = moved[split] + offset, moved[split] - offset
        busy |= {donor, heir, split}
        moves -= 1
    return moved.astype(np.float32)
