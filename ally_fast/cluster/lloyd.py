"""Native k-means: the same centroids on any machine, in few passes over the training rows.

Lloyd's iterations, made cheap in three ways, none of which touches the exactness of a step:

- the start (D-squared sampling) and the first iterations run on prefixes of the rows, which come in
  random order;
- once assigned, a row is compared with the centroids near its last one only (`assign_among`);
- in between, centroids that are hardly missed move to clusters of large spread (`relocate`), which
  Lloyd's iterations alone would take long to do or never do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ally_fast.cluster.fit import Fit, FitOptions
from ally_fast.cluster.relocate import relocate, split_offset
from ally_fast.ops.assign import assign, centroid_table, squared_norms
from ally_fast.ops.assign_among import assign_among, nearest_lists
from ally_fast.ops.centroid_update import centroid_update
from ally_fast.ops.d2_sample import d2_sample

# Chosen by measurement, see docs/performance.md.
# Prefixes the start climbs: rows per centroid, iterations at most, tolerance relative to `tol`.
START = ((64, 5, 1.0), (128, 11, 0.4))
START_MANY = ((32, 5, 1.0),)
LIST_LENGTH = 96  # centroids a row is compared with; half of it for many
ROUNDS, LAST_ROUNDS = 8, 2  # of relocation, two iterations each: at the start, over all rows
MANY = 2048  # centroids; above: first assignments by way of coarse clusters, no relocation
MOVED_SHARE, LAST_MOVED_SHARE = 16, 64  # a round moves one centroid in so many
# A spread below this, relative to the distances to the old centroid, is rounding: copies of a row.
_COPIES = 1e-12


@dataclass(frozen=True)
class _State:
    """After an iteration: the clusters' rows, and the means they led to."""

    centroids: NDArray[np.float32]
    assignments: NDArray[np.int32]
    counts: NDArray[np.int64]
    spread: NDArray[np.float64]
    inertia: float


def fit_lloyd(rows: NDArray[np.float32], k: int, options: FitOptions) -> Fit:
    """Train `k` centroids on float32 rows that come in random order.

    Parameters
    ----------
    rows : ndarray of float32, shape (t, d), contiguous, finite
        In random order, so that every prefix is a sample. Unit rows with ``options.normalize``.
    k : int
        ``1 <= k <= t``.
    options : FitOptions

    Returns
    -------
    Fit
    """
    many = k > MANY
    levels = START_MANY if many else START
    rounds = last = (0 if many or k < 3 else ROUNDS, max(1, k // MOVED_SHARE))
    centroids = rows[d2_sample(rows[: levels[0][0] * k], k, options.seed)]
    known = np.empty(0, np.int32)  # clusters of the first rows
    for per_centroid, iterations, factor in levels:
        prefix = rows[: per_centroid * k]
        if 2 * len(prefix) <= len(rows):
            start = _Trainer(prefix, options.normalize, lambda _: None, iterations)
            state = start.run(centroids, known, factor * options.tol, *rounds)
            centroids, known = state.centroids, state.assignments
            last = (0 if many or k < 3 else LAST_ROUNDS, max(1, k // LAST_MOVED_SHARE))
    trainer = _Trainer(rows, options.normalize, options.advance, options.max_iter)
    state = trainer.run(centroids, known, options.tol, *last)
    return Fit(state.centroids, state.inertia, trainer.iterations)


class _Trainer:
    """Iterations over one set of rows, at most `max_iter` of them."""

    def __init__(
        self,
        rows: NDArray[np.float32],
        normalize: bool,
        advance: Callable[[int], None],
        max_iter: int,
    ) -> None:
        self._rows = rows
        self._normalize = normalize
        self._advance = advance
        self._left = max_iter
        self.iterations = 0

    def run(
        self,
        centroids: NDArray[np.float32],
        known: NDArray[np.int32],
        tol: float,
        rounds: int,
        moves: int,
    ) -> _State:
        """Iterate from `centroids`, relocating `moves` at a time once the first rush is over.

        `known` are the clusters that the first rows had when `centroids` were made.
        """
        near = _near(centroids, centroids)
        first = self._rows[: len(known)]
        rest = self._first_assignments(self._rows[len(known) :], centroids, near)
        again = assign_among(first, centroid_table(centroids), known, near)
        state = self._update(centroids, np.concatenate([again, rest]))
        state = self._iterate(state, near, 2, tol)
        for _ in range(rounds):
            if self._left < 2 or moves == 0 or state.inertia == 0:
                break
            moved = relocate(state.centroids, state.counts, state.spread, near, moves)
            tried = self._step(state, moved, _near(state.centroids, moved))
            tried_near = _near(tried.centroids, tried.centroids)
            tried = self._iterate(tried, tried_near, 1, tol)
            if tried.inertia >= (1 - tol / 4) * state.inertia:
                moves //= 4  # did not pay: take it back, and be more choosy
            else:
                state, near = tried, tried_near
        return self._iterate(state, near, self._left, tol)

    def _iterate(self, state: _State, near: NDArray[np.int32], most: int, tol: float) -> _State:
        """Iterate until inertia falls by less than `tol` of itself, at most `most` times.

        The lists of near centroids may be a few iterations old.
        """
        for _ in range(min(most, self._left)):
            before, state = state.inertia, self._step(state, state.centroids, near)
            if before - state.inertia <= tol * before:
                break
        return state

    def _step(
        self, state: _State, centroids: NDArray[np.float32], near: NDArray[np.int32]
    ) -> _State:
        """Assign rows to `centroids`, those `near` their clusters in `state`, and update."""
        table = centroid_table(centroids)
        if 2 * near.shape[1] >= len(centroids):
            return self._update(centroids, assign(self._rows, table)[0])
        return self._update(centroids, assign_among(self._rows, table, state.assignments, near))

    @staticmethod
    def _first_assignments(
        rows: NDArray[np.float32], centroids: NDArray[np.float32], near: NDArray[np.int32]
    ) -> NDArray[np.int32]:
        """Assign rows to their nearest centroids, of many centroids nearly always."""
        k = len(centroids)
        table = centroid_table(centroids)
        if k <= MANY:
            return assign(rows, table)[0]
        coarse = centroids[d2_sample(centroids, 4 * math.isqrt(k), 0)]
        for _ in range(3):
            found, _ = assign(centroids, centroid_table(coarse))
            sums, _, counts = centroid_update(centroids, found, coarse)
            coarse = (coarse + sums / np.maximum(counts, 1)[:, None]).astype(np.float32)
        found, _ = assign(rows, centroid_table(coarse))
        found = assign_among(rows, table, found, nearest_lists(coarse, table, k // 16))
        return assign_among(rows, table, found, near)

    def _update(self, centroids: NDArray[np.float32], assignments: NDArray[np.int32]) -> _State:
        """Return the means of the clusters; each empty one halves the one of largest spread."""
        sums, squares, counts = centroid_update(self._rows, assignments, centroids)
        spread = squares - squared_norms(sums) / np.maximum(counts, 1)
        spread[spread <= _COPIES * squares] = 0.0
        means = centroids + sums / np.maximum(counts, 1)[:, None]
        empty = np.flatnonzero(counts == 0)
        inertia = math.fsum(spread)
        halved = spread.copy()
        for c in empty:
            largest = int(halved.argmax())
            if halved[largest] == 0:
                break  # fewer distinct rows than clusters: nothing to halve
            offset = split_offset(float(halved[largest]), int(counts[largest]), means.shape[1])
            means[c] = means[largest] + offset
            means[largest] -= offset
            halved[c] = halved[largest] = halved[largest] / 2
        if self._normalize:
            norms = np.sqrt(squared_norms(means))[:, None]
            means = np.divide(means, norms, out=np.zeros_like(means), where=norms > 0)
        self.iterations += 1
        self._left -= 1
        self._advance(1)
        return _State(means.astype(np.float32), assignments, counts, spread, inertia)


def _near(queries: NDArray[np.float32], centroids: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return the centroids near each query."""
    k = len(centroids)
    length = LIST_LENGTH if k <= MANY else LIST_LENGTH // 2
    return nearest_lists(queries, centroid_table(centroids), min(length, k))
