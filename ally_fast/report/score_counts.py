"""Scores of a pool in bounded memory: how many lie where, and which rows have the best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ally_fast.pools.chunks import chunks
from ally_fast.selection.scores import Scores

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
    """

    edges: NDArray[np.float64]
    pool: NDArray[np.float64]
    picks: NDArray[np.float64]


def count_scores(
    scores: Scores, n: int, eligible: NDArray[np.bool_] | None, picked: NDArray[np.float64]
) -> ScoreCounts:
    """Return the distribution of the eligible rows' scores, and of those picked."""
    low, high = np.inf, -np.inf
    for lo, hi in chunks(n, _ROWS):
        part = _part(scores, lo, hi, eligible)
        if len(part):
            low, high = min(low, part.min()), max(high, part.max())
    if low > high:
        low, high = 0.0, 1.0
    edges = np.histogram_bin_edges(np.empty(0), bins=_BINS, range=(low, high))
    counts = np.zeros(_BINS)
    for lo, hi in chunks(n, _ROWS):
        part = _part(scores, lo, hi, eligible)
        counts += np.histogram(part, bins=_BINS, range=(low, high))[0]
    chosen = np.histogram(picked, bins=_BINS, range=(low, high))[0]
    return ScoreCounts(edges, counts / max(1, counts.sum()), chosen / max(1, len(picked)))


def best_rows(
    scores: Scores, n: int, eligible: NDArray[np.bool_] | None, size: int
) -> NDArray[np.int64]:
    """Return the `size` eligible rows of the highest scores, lowest index on a tie."""
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


def _part(
    scores: Scores, lo: int, hi: int, eligible: NDArray[np.bool_] | None
) -> NDArray[np.float64]:
    part: NDArray[np.float64] = scores.read(lo, hi)
    return part if eligible is None else part[eligible[lo:hi]]
