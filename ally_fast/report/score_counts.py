"""Scores of a pool in bounded memory: their distribution, and the rows with the best scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ally_fast.pools.chunks import chunks
from ally_fast.selection.scores import Scores

# Each call gives all scores again, a part at a time.
Parts = Callable[[], Iterable[NDArray[np.float64]]]

_ROWS = 1 << 20
_BINS = 40


@dataclass(frozen=True, eq=False)
class ScoreCounts:
    """Two histograms with the same bins.

    Attributes
    ----------
    edges : ndarray of float64, shape (bins + 1,)
    pool, picks : ndarray of float64, shape (bins,)
        The share of the rows in each bin.
    rows : int
        Number of pool rows counted.
    """

    edges: NDArray[np.float64]
    pool: NDArray[np.float64]
    picks: NDArray[np.float64]
    rows: int


def count_scores(parts: Parts, picks: NDArray[np.float64]) -> ScoreCounts:
    """Return the distribution of a pool's scores and of the picks' scores.

    Parameters
    ----------
    parts : callable
        Gives the pool's scores a part at a time; called twice.
    picks : ndarray of float64, shape (b,)
        Scores of the picks.
    """
    ends = [(part.min(), part.max()) for part in chain(parts(), [picks]) if len(part)]
    edges = _edges(np.array(ends))
    counts = np.zeros(_BINS, np.int64)
    for part in parts():
        counts += np.histogram(part, edges)[0]
    rows = int(counts.sum())
    chosen = np.histogram(picks, edges)[0]
    return ScoreCounts(edges, counts / max(1, rows), chosen / max(1, len(picks)), rows)


def _edges(ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return bin edges from the least to the greatest end; wider if float64 cannot resolve them."""
    low, high = (float(ends.min()), float(ends.max())) if len(ends) else (0.0, 1.0)
    least = 4 * _BINS * max(math.ulp(low), math.ulp(high))
    if high - low < least:
        half, most = max(0.5, least), float(np.finfo(np.float64).max)
        low, high = max(low - half, -most), min(high + half, most)
    shares = np.linspace(0, 1, _BINS + 1)
    return low * (1 - shares) + high * shares  # the difference of both may overflow


def known_parts(
    scores: Scores, n: int, eligible: NDArray[np.bool_] | None
) -> Iterator[NDArray[np.float64]]:
    """Yield the scores of the eligible rows."""
    for lo, hi in chunks(n, _ROWS):
        part: NDArray[np.float64] = scores.read(lo, hi)
        yield part if eligible is None else part[eligible[lo:hi]]


def best_rows(
    scores: Scores, n: int, eligible: NDArray[np.bool_] | None, size: int
) -> NDArray[np.int64]:
    """Return the `size` eligible rows with the highest scores; the lowest index wins a tie."""
    rows, values = np.empty(0, np.int64), np.empty(0)
    if not size:
        return rows
    for lo, hi in chunks(n, _ROWS):
        part = scores.read(lo, hi)
        inside = np.arange(hi - lo) if eligible is None else np.flatnonzero(eligible[lo:hi])
        rows = np.concatenate([rows, lo + inside])
        values = np.concatenate([values, part[inside]])
        if size < len(values):  # sorting a million is slow
            among = values >= np.partition(values, -size)[-size]
            rows, values = rows[among], values[among]
        order = np.lexsort((rows, -values))[:size]
        rows, values = rows[order], values[order]
    return rows
