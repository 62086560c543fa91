"""Centroids moved from where they are hardly missed to where one more helps most."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ally_fast.ops.assign import centroid_table, squared_distances

# How far the halves of a split cluster start apart, relative to its root-mean-square radius.
_SPLIT = 0.05


def removal_costs(
    centroids: NDArray[np.float32], counts: NDArray[np.int64], lists: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return what removing each cluster would add to inertia, and who would take its rows.

    Ward's cost of merging with another cluster, ``n m / (n + m) D``, least over the listed ones.
    """
    k, length = lists.shape
    pairs = squared_distances(
        centroids,
        centroid_table(centroids),
        lists.ravel(),
        positions=np.repeat(np.arange(k), length),
    ).reshape(k, length)
    own, other = counts[:, None].astype(np.float64), counts[lists].astype(np.float64)
    costs = pairs * (own * other / np.maximum(own + other, 1.0))
    costs[lists == np.arange(k)[:, None]] = np.inf
    nearest = costs.argmin(axis=1)
    each = np.arange(k)
    return costs[each, nearest], lists[each, nearest]


def split_offset(spread: float, count: int, d: int) -> NDArray[np.float64]:
    """Return the fixed perturbation that sets the halves of a cluster apart, shape (d,)."""
    radius = _SPLIT * math.sqrt(spread / max(count, 1) / d)
    offset = np.full(d, radius)
    offset[1::2] = -radius
    return offset


def relocate(
    centroids: NDArray[np.float32],
    counts: NDArray[np.int64],
    spread: NDArray[np.float64],
    lists: NDArray[np.int32],
    moves: int,
) -> NDArray[np.float32]:
    """Move up to `moves` centroids: the cheapest to remove each split a cluster of large spread.

    Parameters
    ----------
    centroids : ndarray of float32, shape (k, d)
    counts, spread : ndarray, shape (k,)
        Rows of each cluster and their sum of squared distances to its mean.
    lists : ndarray of int32, shape (k, length)
        Each centroid's nearest ones, itself among them.
    moves : int

    Returns
    -------
    ndarray of float32, shape (k, d)
        New centroids. A cluster takes part in one move at most; ties go to the lowest index.
    """
    costs, heirs = removal_costs(centroids, counts, lists)
    moved = centroids.astype(np.float64)
    busy = np.zeros(len(centroids), np.bool_)
    donors = iter(np.argsort(costs, kind="stable"))
    for split in np.argsort(-spread, kind="stable")[: 2 * moves]:
        if moves == 0 or spread[split] <= 0:
            break
        if busy[split]:
            continue
        for donor in donors:
            heir = heirs[donor]
            if not (busy[donor] or busy[heir] or split in (donor, heir)):
                break
        else:
            break
        if costs[donor] >= spread[split] / 2:
            break
        total = max(counts[donor] + counts[heir], 1)
        merged = moved[donor] * counts[donor] + moved[heir] * counts[heir]
        moved[heir] = merged / total
        offset = split_offset(float(spread[split]), int(counts[split]), moved.shape[1])
        moved[donor] = moved[split] + offset
        moved[split] -= offset
        busy[[donor, heir, split]] = True
        moves -= 1
    return moved.astype(np.float32)
