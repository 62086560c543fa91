"""Choose rows one by one by how much of some targets they cover, in integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FRONT, _BATCH = 8192, 256


@dataclass(frozen=True, eq=False)
class Cover:
    """Which targets each candidate covers, and how well: a sparse matrix by rows.

    Attributes
    ----------
    starts : ndarray of int64, shape (c + 1,)
        Candidate ``i`` has the entries from ``starts[i]`` to ``starts[i + 1]``.
    targets : ndarray of uint16
        The target of each entry.
    levels : ndarray of int32
        How well the candidate covers the target: the kernel.
    gains : ndarray of int64, shape (c,)
        What each candidate adds before the first pick.
    """

    starts: NDArray[np.int64]
    targets: NDArray[np.uint16]
    levels: NDArray[np.int32]
    gains: NDArray[np.int64]


class LazyGreedy:
    """Pick, again and again, the candidate that adds most; the lower position on a tie.

    A candidate adds the sum over targets of ``weight * max(0, level - covered)``.

    Parameters
    ----------
    cover : Cover
        Entries that no longer add anything are overwritten.
    weights : ndarray of int64, shape (t,)
    covered : ndarray of int32, shape (t,)
        How well each target is covered already. It is changed in place.

    Notes
    -----
    What a candidate adds only falls as others are picked. So its last known gain is an upper bound.
    The best bounds are updated until the best of all is exact. An entry that adds nothing will
    never add anything again, and is dropped. Sums are of integers, so their order does not matter.
    Source: Minoux, "Accelerated greedy algorithms for maximizing submodular set functions", 1978.
    """

    def __init__(
        self, cover: Cover, weights: NDArray[np.int64], covered: NDArray[np.int32]
    ) -> None:
        self._targets, self._levels, self._starts = cover.targets, cover.levels, cover.starts[:-1]
        self._weights, self._covered = weights, covered
        self._counts = np.diff(cover.starts)
        self._bounds = cover.gains.copy()
        self._dated = np.zeros(len(self._bounds), np.int32)  # the pick each bound is of
        self._picks = 0
        self._front, self._least = np.empty(0, np.int64), np.int64(0)

    def pick(self) -> int:
        """Return the position of the next pick; a candidate must be left."""
        while True:
            if not len(self._front):
                self._renew_front()
            bounds = self._bounds[self._front]
            first = int(bounds.argmax())
            if bounds[first] < self._least:
                self._front = self._front[:0]
            elif self._is_exact(self._front[first : first + 1])[0]:
                break
            else:
                self._bring_up_to_date(bounds)
        position = int(self._front[first])
        self._take(position)
        return position

    def _is_exact(self, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        exact: NDArray[np.bool_] = self._dated[positions] == self._picks
        return exact | (self._bounds[positions] <= 0)

    def _renew_front(self) -> None:
        """Put the candidates with the best bounds in front, with all that are equal."""
        bounds = self._bounds
        nth = max(0, len(bounds) - _FRONT)
        self._least = max(np.int64(0), np.partition(bounds, nth)[nth])
        self._front = np.flatnonzero(bounds >= self._least)

    def _bring_up_to_date(self, bounds: NDArray[np.int64]) -> None:
        """Compute again what those in front add, as far as they may be the best."""
        exact = self._is_exact(self._front)
        best = bounds[exact].max(initial=self._least)
        stale = np.flatnonzero(~exact & (bounds >= best))
        if len(stale) > _BATCH:
            stale = stale[np.argpartition(bounds[stale], -_BATCH)[-_BATCH:]]
        positions = self._front[stale]
        self._bounds[positions] = self._gains(positions)
        self._dated[positions] = self._picks

    def _gains(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what candidates with entries add; keep only the entries that add something."""
        counts = self._counts[positions]
        entries = self._entries(positions, counts)
        targets, levels = self._targets[entries], self._levels[entries]
        above = np.maximum(levels - self._covered[targets], 0)
        firsts = np.cumsum(counts) - counts
        adds = above > 0
        self._counts[positions] = left = np.add.reduceat(adds, firsts, dtype=np.int64)
        rest = self._entries(positions, left)
        self._targets[rest], self._levels[rest] = targets[adds], levels[adds]
        return np.add.reduceat(above * self._weights[targets], firsts)

    def _entries(
        self, positions: NDArray[np.int64], counts: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        ends = np.cumsum(counts)
        return np.arange(ends[-1]) + np.repeat(self._starts[positions] - ends + counts, counts)

    def _take(self, position: int) -> None:
        entries = slice(self._starts[position], self._starts[position] + self._counts[position])
        targets, levels = self._targets[entries], self._levels[entries]
        self._covered[targets] = np.maximum(self._covered[targets], levels)
        self._bounds[position] = -1
        self._picks += 1
