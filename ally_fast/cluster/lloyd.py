"""Native k-means: the same centroids on any machine, in few passes over the training rows.

Lloyd's iterations, made cheap in three ways, none of which touches the exactness of a step:

- the start (D-squared sampling) and the first iterations run on prefixes of the rows, which come in
  random order;
- once assigned, a row is compared with the centroids near its last one only (`assign_among`);
- in between, centroids that are hardly missed move to clusters of large spread (`relocate`), which
  Lloyd's iterations alone would take long to do or never do.

All arithmetic on arrays is the ops'; decisions compare a few inertias. Where these are known late,
as on a device that computes behind the caller's back, the next iterations may be started before
(`lookahead`); those past the end are thrown away.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, SupportsFloat, TypeAlias

from ally_fast.cluster.fit import Fit, FitOptions
from ally_fast.ops.assign import assign, centroid_table
from ally_fast.ops.assign_among import assign_among, nearest_lists
from ally_fast.ops.centroid_update import centroid_update
from ally_fast.ops.d2_sample import d2_sample
from ally_fast.ops.relocate import relocate
from ally_fast.ops.rows import join, take_rows
from ally_fast.rows import Rows

# Chosen by measurement, see docs/performance.md.
# Prefixes the start climbs: rows per centroid, iterations at most, tolerance relative to `tol`.
START = ((64, 5, 1.0), (128, 11, 0.4))
START_MANY = ((32, 5, 1.0),)
LIST_LENGTH = 96  # centroids a row is compared with; half of it for many
ROUNDS, LAST_ROUNDS = 8, 2  # of relocation, two iterations each: at the start, over all rows
MANY = 2048  # centroids; above: first assignments by way of coarse clusters, no relocation
MOVED_SHARE, LAST_MOVED_SHARE = 16, 64  # a round moves one centroid in so many

Array: TypeAlias = Any  # an ndarray or a DeviceArray; all of a training are in the same memory


@dataclass(frozen=True, eq=False)
class _State:
    """After an iteration: the clusters' rows, and the means they led to."""

    centroids: Array
    assignments: Array
    counts: Array
    spread: Array
    inertia: SupportsFloat  # may have to be waited for


def fit_lloyd(rows: Array, k: int, options: FitOptions, *, lookahead: int = 0) -> Fit:
    """Train `k` centroids on float32 rows that come in random order.

    Parameters
    ----------
    rows : ndarray or DeviceArray of float32, shape (t, d), contiguous, finite
        In random order, so that every prefix is a sample. Unit rows with ``options.normalize``.
    k : int
        ``1 <= k <= t``.
    options : FitOptions
    lookahead : int
        Iterations to start before the inertia of an earlier one is read. Changes no answer.

    Returns
    -------
    Fit
    """
    many = k > MANY
    levels = START_MANY if many else START
    rounds = last = (0 if many or k < 3 else ROUNDS, max(1, k // MOVED_SHARE))
    centroids = take_rows(rows, d2_sample(rows[: levels[0][0] * k], k, options.seed))
    known = None  # clusters of the first rows
    for per_centroid, iterations, factor in levels:
        prefix = rows[: per_centroid * k]
        if 2 * len(prefix) <= len(rows):
            start = _Trainer(prefix, options.normalize, lambda _: None, iterations, lookahead)
            state = start.run(centroids, known, factor * options.tol, *rounds)
            centroids, known = state.centroids, state.assignments
            last = (0 if many or k < 3 else LAST_ROUNDS, max(1, k // LAST_MOVED_SHARE))
    trainer = _Trainer(rows, options.normalize, options.advance, options.max_iter, lookahead)
    state = trainer.run(centroids, known, options.tol, *last)
    return Fit(state.centroids, float(state.inertia), trainer.iterations)


class _Trainer:
    """Iterations over one set of rows, at most `max_iter` of them."""

    def __init__(
        self,
        rows: Array,
        normalize: bool,
        advance: Callable[[int], None],
        max_iter: int,
        lookahead: int,
    ) -> None:
        self._rows = rows
        self._normalize = normalize
        self._advance = advance
        self._left = max_iter
        self._lookahead = lookahead
        self.iterations = 0

    def run(
        self,
        centroids: Array,
        known: Array,
        tol: float,
        rounds: int,
        moves: int,
    ) -> _State:
        """Iterate from `centroids`, relocating `moves` at a time once the first rush is over.

        `known` are the clusters that the first rows had when `centroids` were made.
        """
        near = _near(centroids, centroids)
        state = self._update(centroids, self._first_assignments(centroids, near, known))
        self._count()
        state = self._iterate(state, near, 2, tol)
        for _ in range(rounds):
            if self._left < 2 or moves == 0 or float(state.inertia) == 0:
                break
            moved = relocate(state.centroids, state.counts, state.spread, near, moves)
            tried = self._step(state, moved, _near(state.centroids, moved))
            self._count()
            tried_near = _near(tried.centroids, tried.centroids)
            tried = self._iterate(tried, tried_near, 1, tol)
            if float(tried.inertia) >= (1 - tol / 4) * float(state.inertia):
                moves //= 4  # did not pay: take it back, and be more choosy
            else:
                state, near = tried, tried_near
        return self._iterate(state, near, self._left, tol)

    def _iterate(self, state: _State, near: Array, most: int, tol: float) -> _State:
        """Iterate until inertia falls by less than `tol` of itself, at most `most` times.

        The lists of near centroids may be a few iterations old.
        """
        most = min(most, self._left)
        ahead: deque[_State] = deque()  # started, inertia not read
        newest, done = state, 0
        while done < most:
            while done + len(ahead) < most and len(ahead) <= self._lookahead:
                newest = self._step(newest, newest.centroids, near)
                ahead.append(newest)
            before, state = float(state.inertia), ahead.popleft()
            self._count()
            done += 1
            if before - float(state.inertia) <= tol * before:
                break
        return state

    def _count(self) -> None:
        """Count an iteration that is part of the answer."""
        self.iterations += 1
        self._left -= 1
        self._advance(1)

    def _step(self, state: _State, centroids: Array, near: Array) -> _State:
        """Assign rows to `centroids`, those `near` their clusters in `state`, and update."""
        table = centroid_table(centroids)
        if 2 * near.shape[1] >= len(centroids):
            return self._update(centroids, assign(Rows(self._rows), table)[0])
        return self._update(centroids, assign_among(self._rows, table, state.assignments, near))

    def _first_assignments(
        self,
        centroids: Array,
        near: Array,
        known: Array,
    ) -> Array:
        """Assign rows to their nearest centroids, those with `known` clusters near these."""
        if known is None:
            return _assign_all(self._rows, centroids, near)
        first, rest = self._rows[: len(known)], self._rows[len(known) :]
        again = assign_among(first, centroid_table(centroids), known, near)
        return join(again, _assign_all(rest, centroids, near))

    def _update(self, centroids: Array, assignments: Array) -> _State:
        """Return the means of the clusters."""
        means, counts, spread, inertia = centroid_update(
            self._rows, assignments, centroids, normalize=self._normalize
        )
        return _State(means, assignments, counts, spread, inertia)


def _assign_all(rows: Array, centroids: Array, near: Array) -> Array:
    """Assign rows to their nearest centroids, of many centroids nearly always."""
    k = len(centroids)
    table = centroid_table(centroids)
    if k <= MANY:
        return assign(Rows(rows), table)[0]
    coarse = take_rows(centroids, d2_sample(centroids, 4 * math.isqrt(k), 0))
    for _ in range(3):
        found, _ = assign(Rows(centroids), centroid_table(coarse))
        coarse, *_ = centroid_update(centroids, found, coarse, normalize=False)
    found, _ = assign(Rows(rows), centroid_table(coarse))
    found = assign_among(rows, table, found, nearest_lists(coarse, table, k // 16))
    return assign_among(rows, table, found, near)


def _near(queries: Array, centroids: Array) -> Array:
    """Return the centroids near each query."""
    k = len(centroids)
    length = LIST_LENGTH if k <= MANY else LIST_LENGTH // 2
    return nearest_lists(queries, centroid_table(centroids), min(length, k))
