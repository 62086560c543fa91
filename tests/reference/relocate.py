"""Clusters merged where they are hardly missed, and split where two centroids serve better."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .feature_grid import mean_row
from .halve import Halves, merge_cost
from .squared_distance import squared_distance


class Relocated(NamedTuple):
    """The clustering after the moves; which clusters changed; what the moves gained."""

    assignments: npt.NDArray[np.int32]
    centroids: npt.NDArray[np.float32]
    sums: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    stale: npt.NDArray[np.uint8]
    gained: float


def removals(
    centroids: npt.ArrayLike, counts: npt.ArrayLike, bit: int
) -> tuple[list[float], list[int]]:
    """Return what removing each cluster costs, and who takes its rows.

    The nearest centroid whose number differs in bit `bit`, the lowest on a tie; an empty cluster
    costs nothing and is its own heir.

    Parameters
    ----------
    centroids : array_like, shape (k, d)
    counts : array_like, shape (k,), int
    bit : int

    Returns
    -------
    costs : list of float
    heirs : list of int

    Examples
    --------
    >>> removals([[0.0], [2.0], [9.0]], [1, 3, 0], 0)
    ([3.0, 3.0, 0.0], [1, 0, 2])
    """
    sizes = np.asarray(counts).tolist()
    distances = squared_distance(centroids, centroids).tolist()
    costs, heirs = [], []
    for c, size in enumerate(sizes):
        others = [o for o in range(len(sizes)) if (o >> bit & 1) != (c >> bit & 1)]
        heir = c if size == 0 else min(others, key=lambda other: (distances[c][other], other))
        costs.append(0.0 if heir == c else merge_cost(distances[c][heir], size, sizes[heir]))
        heirs.append(heir)
    return costs, heirs


def plan_moves(
    costs: list[float], heirs: list[int], gains: list[float]
) -> list[tuple[int, int, int]]:
    """Return the moves: donor, heir and split of each.

    Examples
    --------
    >>> plan_moves([0.5, 1.0, 8.0, 9.0], [1, 0, 3, 2], [0.0, 0.0, 7.0, 2.0])
    [(0, 1, 2)]
    """
    k = len(costs)
    offered = sorted(range(k), key=lambda c: (costs[c], c))
    moves: list[tuple[int, int, int]] = []
    busy: set[int] = set()
    for split in sorted(range(k), key=lambda c: (-gains[c], c))[: k // 2]:
        if gains[split] <= 0:
            break
        if split in busy:
            continue
        while offered:  # one that is passed over is not offered again
            donor = offered[0]
            if not busy & {donor, heirs[donor]} and split not in (donor, heirs[donor]):
                break
            offered.pop(0)
        if not offered or costs[offered[0]] >= gains[split]:
            break
        moves.append((offered[0], heirs[offered[0]], split))
        busy |= {*moves[-1]}
    return moves


def relocate(
    assignments: npt.ArrayLike,
    centroids: npt.ArrayLike,
    sums: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    grid: npt.NDArray[np.float64],
    halves: Halves,
    bit: int,
) -> Relocated:
    """Merge and split clusters, as long as a split gains more than a merge costs.

    Parameters
    ----------
    assignments : array_like, shape (t,), int
    centroids : array_like, shape (k, d)
    sums, counts : ndarray, shapes (k, d) and (k,), int64
    grid : ndarray, shape (2 d + 1,), float64
    halves : Halves
        Of `halve`.
    bit : int

    Returns
    -------
    Relocated

    Examples
    --------
    >>> halves = Halves(
    ...     *(np.array([[0], [0], [9]], np.float32), np.array([[0], [0], [18]])),
    ...     *(np.array([0, 0, 2]), np.array([0.0, 0.0, 4.0]), np.zeros((3, 2), np.int64)),
    ...     np.array([0, 0, 0, 0, 1, 1], np.uint8),
    ... )
    >>> grid, sums, counts = np.array([0.0, 1.0, 1.0]), np.array([[0], [1], [32]]), [1, 1, 4]
    >>> after = relocate(
    ...     [0, 1, 2, 2, 2, 2], [[0], [1], [8]], sums, np.array(counts), grid, halves, 0
    ... )
    >>> after.assignments.tolist(), after.centroids.tolist(), after.gained
    ([1, 1, 2, 2, 0, 0], [[9.0], [0.5], [7.0]], 3.5)
    """
    costs, heirs = removals(centroids, counts, bit)
    gains = halves.gains.tolist()
    clusters = np.asarray(assignments)
    totals, sizes = [list(map(int, row)) for row in sums], list(map(int, counts))
    found, moved = clusters.astype(np.int32), np.array(centroids, np.float32)
    stale, gained = np.zeros(len(sizes), np.uint8), 0.0
    for donor, heir, split in plan_moves(costs, heirs, gains):
        gained += gains[split] - costs[donor]
        stale[[donor, heir, split]] = 1
        found[clusters == donor] = heir
        found[(clusters == split) & (halves.sides == 1)] = donor
        half = [int(value) for value in halves.sums[split]]
        if heir != donor:
            totals[heir] = [a + b for a, b in zip(totals[heir], totals[donor], strict=True)]
            sizes[heir] += sizes[donor]
            moved[heir] = mean_row(totals[heir], sizes[heir], grid)
        totals[split] = [a - b for a, b in zip(totals[split], half, strict=True)]
        totals[donor], sizes[donor] = half, int(halves.counts[split])
        sizes[split] -= sizes[donor]
        moved[donor] = halves.centroids[split]
        moved[split] = mean_row(totals[split], sizes[split], grid)
    return Relocated(
        found, moved, np.array(totals, np.int64), np.array(sizes, np.int64), stale, gained
    )
