"""The batch if each pick decides what may be picked next: radius, groups, costs."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.cluster.loaded_rows import loaded
from ally_fast.ops.shortlist import tie_positions
from ally_fast.pools.pool import as_float
from ally_fast.rows import Rows
from ally_fast.selection.batch import Batch, Offers, gather, offers
from ally_fast.selection.best import best_entries
from ally_fast.selection.blocking import Blocking
from ally_fast.selection.part import Part
from ally_fast.selection.request import Request

_STEP = 1024  # offers looked through at a time
_BEYOND = -1  # stands for a row that is not listed


@dataclass(eq=False)
class _Picks:
    """The picks so far, and what they leave."""

    cluster_counts: NDArray[np.int64]
    group_counts: NDArray[np.int64]
    cost_left: float
    indices: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    clusters: list[int] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)  # in order, where they were read
    blocked: list[int] = field(default_factory=list)  # rows near a pick


def pick_greedily(request: Request, whole: Part) -> Batch:
    """Pick rows one by one: each cluster offers its best row that may be picked.

    The offer with the lowest quotient ``(picks of its cluster + 1/2) / weight`` wins, then the one
    with the highest score, then the first in the order of ties. While some groups are below their
    minimum, clusters offer only rows of these groups; after that, all rows.

    Notes
    -----
    Each cluster has a list of its best rows. If one of the lists runs out, all are made again from
    the rows that are left, and twice as long. Making them takes O(n) time; with a radius they take
    O(d) memory for each row listed.
    """
    quotas, costs = request.quotas, request.costs
    picks = _Picks(
        np.zeros(request.rule.k, np.int64),
        np.zeros(0 if quotas is None else len(quotas.names), np.int64),
        np.inf if costs is None else costs.budget,
    )
    if quotas is not None and quotas.least.any():
        goal = int(quotas.least.sum())
        _pass(request, whole, picks, quotas.least, goal)
        short = np.flatnonzero(picks.group_counts < quotas.least)
        if len(short):
            code = int(short[0])
            raise ValueError(
                f"min_per_group: group {quotas.names[code]!r} needs {quotas.least[code]}, but "
                f"only {picks.group_counts[code]} of its rows can be picked beside the others"
            )
    _pass(request, whole, picks, None if quotas is None else quotas.most, request.rule.b)
    rows = picks.rows
    return Batch(
        indices=np.array(picks.indices, np.int64),
        scores=np.array(picks.scores, np.float64),
        clusters=np.array(picks.clusters, np.int32),
        ranks=np.array(picks.ranks, np.int64),
        rows=_joined(rows) if rows and sum(map(len, rows)) == len(picks.indices) else None,
    )


def _joined(parts: list[Rows]) -> Rows:
    return Rows(np.concatenate([part.array for part in parts]), parts[0].bf16)


def _pass(
    request: Request, whole: Part, picks: _Picks, most: NDArray[np.int64] | None, goal: int
) -> None:
    """Pick until there are `goal` picks, from groups with fewer than `most` (None: all rows).

    If a list runs out, make new ones from the rows that are left.
    """
    budget = max(1, goal - len(picks.indices))
    done = False
    while not done:
        entries, sizes = best_entries(request, whole, budget, _open_rows(request, picks, most))
        one_pass = _Pass(request, picks, offers(entries), sizes, most)
        done = one_pass.run(goal, request.rule.weights(whole.sizes))
        budget *= 2


def _open_rows(
    request: Request, picks: _Picks, most: NDArray[np.int64] | None
) -> NDArray[np.bool_] | None:
    """Return the rows that may still be picked, shape (n,); None: all eligible rows."""
    quotas, costs = request.quotas, request.costs
    if quotas is None and costs is None and not (picks.indices or picks.blocked):
        return None
    rows = np.ones(request.pool.n, np.bool_)
    if quotas is not None and most is not None:
        rows = np.append(picks.group_counts < most, False)[quotas.codes]
    if costs is not None:
        rows &= costs.values <= picks.cost_left
    rows[picks.indices] = False
    rows[picks.blocked] = False
    return rows


class _Pass:
    """One pass over the lists of each cluster's best rows."""

    def __init__(
        self,
        request: Request,
        picks: _Picks,
        entries: Offers,
        sizes: NDArray[np.int64],
        most: NDArray[np.int64] | None,
    ) -> None:
        self._request, self._picks, self._offers, self._most = request, picks, entries, most
        self._sizes = sizes
        quotas, costs, rule = request.quotas, request.costs, request.rule
        self._groups = None if quotas is None else quotas.codes[entries.indices]
        self._costs = None if costs is None else costs.values[entries.indices]
        self._closed = np.zeros(len(picks.group_counts), np.bool_)
        self._ends = np.searchsorted(entries.clusters, np.arange(len(sizes)), side="right")
        self._lengths = np.bincount(entries.clusters, minlength=len(sizes))
        self._ties = tie_positions(entries.indices, rule.tie_seed)
        self._rows: Rows | None = None
        self._blocking: Blocking | None = None
        if rule.radius is not None:
            self._rows = gather(request.pool, entries.indices)
            self._blocking = Blocking(self._matrix(self._rows), rule.radius)
            if picks.rows:
                self._blocking.block(self._matrix(_joined(picks.rows)))

    def run(self, goal: int, weights: NDArray[np.float64]) -> bool:
        """Add picks; return False if a cluster has to offer a row beyond its list."""
        picks, done = self._picks, True
        chosen: list[int] = []
        queue: list[tuple[float, float, int, int]] = []

        def offer(cluster: int, first: int) -> None:
            """Queue the cluster's next row; one beyond the list is better than any, to be safe."""
            entry = self._next(first, int(self._ends[cluster]))
            quotient = (picks.cluster_counts[cluster] + 0.5) / float(weights[cluster])
            if entry is not None:
                key = (-float(self._offers.scores[entry]), int(self._ties[entry]))
                heapq.heappush(queue, (quotient, *key, entry))
            elif self._lengths[cluster] < self._sizes[cluster]:
                heapq.heappush(queue, (quotient, -np.inf, 0, _BEYOND))

        for cluster in np.flatnonzero(self._sizes).tolist():
            offer(cluster, int(self._ends[cluster] - self._lengths[cluster]))
        while queue and len(picks.indices) < goal:
            entry = heapq.heappop(queue)[-1]
            if entry == _BEYOND:
                done = False
                break
            if self._allows(entry):
                self._pick(entry)
                chosen.append(entry)
            offer(int(self._offers.clusters[entry]), entry + 1)
        if self._rows is not None:
            picks.rows.append(self._rows.taken(np.array(chosen, np.int64)))
        return done

    def _next(self, first: int, end: int) -> int | None:
        """Return the first entry from `first` on that may be picked and fits the cost budget."""
        for lo in range(first, end, _STEP):
            part = slice(lo, min(end, lo + _STEP))
            fits = np.ones(part.stop - part.start, np.bool_)
            if self._groups is not None:
                fits &= ~self._closed[self._groups[part]]
            if self._costs is not None:
                fits &= self._costs[part] <= self._picks.cost_left
            if fits.any():
                return lo + int(fits.argmax())
        return None

    def _allows(self, entry: int) -> bool:
        """Tell whether a queued row may still be picked."""
        if self._groups is not None and self._closed[self._groups[entry]]:
            return False
        if self._costs is not None and self._costs[entry] > self._picks.cost_left:
            return False
        if self._blocking is None or not self._blocking.blocks(entry):
            return True
        self._picks.blocked.append(int(self._offers.indices[entry]))
        return False

    def _pick(self, entry: int) -> None:
        picks, entries = self._picks, self._offers
        cluster = int(entries.clusters[entry])
        picks.indices.append(int(entries.indices[entry]))
        picks.scores.append(float(entries.scores[entry]))
        picks.clusters.append(cluster)
        picks.ranks.append(int(picks.cluster_counts[cluster]))
        picks.cluster_counts[cluster] += 1
        if self._blocking is not None:
            self._blocking.pick(entry)
        if self._costs is not None:
            picks.cost_left -= float(self._costs[entry])
        if self._groups is not None and self._most is not None:
            group = self._groups[entry]
            picks.group_counts[group] += 1
            if picks.group_counts[group] >= self._most[group]:
                self._closed[group] = True

    def _matrix(self, rows: Rows) -> NDArray[Any]:
        if self._request.rule.normalize:
            return loaded(rows.seen(normalize=True))[0]
        return as_float(rows)
