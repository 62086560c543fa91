"""The batch rule replayed pick by pick: a greedy simulation with the head of every cluster."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .assign import assign
from .radius_filter import radius_filter
from .squared_distance import (
    normalize_rows,
    paired_squared_distance,
    sum_of_squares,
    unit_centroids,
)
from .tie_order import tie_place


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch, pick by pick, in priority order.

    Attributes
    ----------
    indices : ndarray, shape (b,), int64
        Pool indices.
    clusters : ndarray, shape (b,), int32
    ranks : ndarray, shape (b,), int64
        How many rows its cluster gave before the pick.
    distances : ndarray, shape (b,), float64
        Euclidean distance to the centroid of its cluster.
    scores : ndarray, shape (b,), float64
    cluster_sizes : ndarray, shape (k,), int64
        Eligible rows of each cluster.
    """

    indices: npt.NDArray[np.int64]
    clusters: npt.NDArray[np.int32]
    ranks: npt.NDArray[np.int64]
    distances: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    cluster_sizes: npt.NDArray[np.int64]


def select(
    embeddings: npt.ArrayLike,
    dual_scores: npt.ArrayLike,
    b: int,
    centroids: npt.ArrayLike,
    *,
    allocation: str | npt.ArrayLike = "equal",
    exclude: npt.ArrayLike | None = None,
    labeled_embeddings: npt.ArrayLike | None = None,
    radius: float | None = None,
    max_score: float | None = None,
    metric: str = "euclidean",
    tie_seed: int | None = None,
    groups: Sequence[Any] | None = None,
    min_per_group: Mapping[Any, int] | None = None,
    max_per_group: Mapping[Any, int] | None = None,
    cost: Sequence[float] | None = None,
    cost_budget: float = math.inf,
) -> Batch:
    """Select ``b`` rows around given centroids.

    At every step each cluster offers its best row that is left, at quotient
    ``(picks so far + 1/2) / weight``. The offer with the smallest quotient wins, then the one
    with the highest score, then the one with the lowest index (or, with ``tie_seed``, the first
    place in a random order). A row that may not be picked is passed over, and its cluster offers
    the next at the same quotient: one near an earlier pick, with ``radius``; one of a group that
    has its most picks; one that costs more than is left. While a group lacks its least picks, only
    rows of such groups are offered.

    Parameters
    ----------
    embeddings : array_like, shape (n, d)
    dual_scores : array_like, shape (n,)
    b : int
    centroids : array_like, shape (k, d)
    allocation, exclude, labeled_embeddings, radius, max_score, metric, groups, cost, cost_budget
        As in the public function.
    tie_seed : int, optional
        The seed of random ties.
    min_per_group, max_per_group : mapping of group to int, optional
        For groups that have a limit.

    Returns
    -------
    Batch

    Raises
    ------
    ValueError
        Where fewer than ``b`` rows can be had.

    Examples
    --------
    >>> rows = [[0.0], [0.1], [5.0], [5.1]]
    >>> select(rows, [1.0, 2.0, 4.0, 3.0], 3, [[0.0], [5.0]]).indices.tolist()
    [2, 1, 3]
    """
    rows = np.asarray(embeddings)
    scores = np.asarray(dual_scores, dtype=np.float64)
    table = np.asarray(centroids)
    others = None if labeled_embeddings is None else np.asarray(labeled_embeddings)
    eligible = _not_excluded(scores.size, exclude)
    if max_score is not None:
        eligible &= scores <= max_score
    if metric == "cosine":
        allowed = eligible.copy()
        normalized = np.zeros(rows.shape, dtype=np.float32)
        normalized[allowed] = normalize_rows(rows[allowed])
        rows, table = normalized, unit_centroids(table)
        others = None if others is None else normalize_rows(others)
    if others is not None and radius is not None:
        candidates = np.flatnonzero(eligible)
        eligible[candidates[radius_filter(rows[candidates], others, radius)]] = False

    pool_indices = np.flatnonzero(eligible)
    clusters = np.full(scores.size, -1, dtype=np.int32)
    clusters[pool_indices] = assign(rows[pool_indices], table)
    k = table.shape[0]

    def place(row: int) -> int:
        return row if tie_seed is None else tie_place(row, tie_seed)

    sizes = np.bincount(clusters[pool_indices], minlength=k).astype(np.int64)
    queues = [
        sorted(np.flatnonzero(clusters == c).tolist(), key=lambda i: (-scores[i], place(i)))
        for c in range(k)
    ]
    weights = _weights(allocation, sizes)

    limits = _Limits(
        rows, radius, groups, min_per_group or {}, max_per_group or {}, cost, cost_budget
    )
    picks, ranks = _greedy(limits, scores, queues, weights, b, place)
    indices = np.asarray(picks, dtype=np.int64)
    return Batch(
        indices=indices,
        clusters=clusters[indices],
        ranks=np.asarray(ranks, dtype=np.int64),
        distances=np.sqrt(paired_squared_distance(rows[indices], table, clusters[indices])),
        scores=scores[indices],
        cluster_sizes=sizes,
    )


def _not_excluded(n: int, exclude: npt.ArrayLike | None) -> npt.NDArray[np.bool_]:
    eligible = np.ones(n, dtype=np.bool_)
    if exclude is not None and np.asarray(exclude).size:
        eligible[np.asarray(exclude)] = False
    return eligible


def _weights(
    allocation: str | npt.ArrayLike, sizes: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    if not isinstance(allocation, str):
        return np.asarray(allocation, dtype=np.float64)
    wide = sizes.astype(np.float64)
    return {"equal": np.ones_like(wide), "proportional": wide, "sqrt": np.sqrt(wide)}[allocation]


@dataclass(frozen=True, eq=False)
class _Limits:
    """What decides whether a row may be picked."""

    rows: npt.NDArray[np.generic]
    radius: float | None
    groups: Sequence[Any] | None
    least: Mapping[Any, int]
    most: Mapping[Any, int]
    cost: Sequence[float] | None
    cost_budget: float

    def allow(self, row: int, picks: list[int], only_needed: bool) -> bool:
        if self.radius is not None and _is_near(self.rows, row, picks, self.radius):
            return False
        if self.cost is not None:
            left = self.cost_budget
            for pick in picks:
                left -= self.cost[pick]
            if self.cost[row] > left:
                return False
        if self.groups is None:
            return True
        group = self.groups[row]
        count = sum(bool(self.groups[pick] == group) for pick in picks)
        return count < (self.least.get(group, 0) if only_needed else self.most.get(group, math.inf))


def _greedy(
    limits: _Limits,
    scores: npt.NDArray[np.float64],
    queues: list[list[int]],
    weights: npt.NDArray[np.float64],
    b: int,
    place: Callable[[int], int],
) -> tuple[list[int], list[int]]:
    picks: list[int] = []
    ranks: list[int] = []
    given = [0] * len(queues)
    if any(least > limits.most.get(group, math.inf) for group, least in limits.least.items()):
        raise ValueError("a group needs more than it may have")
    if sum(limits.least.values()) > b:
        raise ValueError(f"b={b}, but the groups need {sum(limits.least.values())}")
    for goal, only_needed in ((sum(limits.least.values()), True), (b, False)):
        left = [[row for row in queue if row not in picks] for queue in queues]
        while len(picks) < goal:
            offers = []
            for c, queue in enumerate(left):
                while queue and not limits.allow(queue[0], picks, only_needed):
                    queue.pop(0)
                if queue:
                    with np.errstate(divide="ignore"):
                        quotient = np.float64(given[c] + 0.5) / weights[c]
                    offers.append((quotient, -scores[queue[0]], place(queue[0]), queue[0], c))
            if not offers and (limits.cost is None or only_needed):
                raise ValueError(f"b={b}, but only {len(picks)} rows can be had")
            if not offers:
                break
            *_, row, c = min(offers)
            left[c].pop(0)
            picks.append(row)
            ranks.append(given[c])
            given[c] += 1
    return picks, ranks


def _is_near(rows: npt.NDArray[np.generic], row: int, picks: list[int], radius: float) -> bool:
    if not picks:
        return False
    difference = rows[picks].astype(np.float64) - rows[row].astype(np.float64)
    return bool((sum_of_squares(difference) <= radius * radius).any())
