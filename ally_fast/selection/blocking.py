"""The batch under a radius: picks block later offers close to them."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.cluster.loaded_rows import loaded
from ally_fast.ops.assign import centroid_table
from ally_fast.ops.radius_filter import radius_filter
from ally_fast.pools.pool import Pool, as_float
from ally_fast.rows import Rows
from ally_fast.selection.batch import Batch, Offers, gather
from ally_fast.selection.rule import Rule

_SWEEP = 256  # picks gathered before one matrix pass blocks all offers near them


class Blocking:
    """Rows on offer, and which of them lie within the radius of a pick.

    Parameters
    ----------
    rows : ndarray of float32 or float64, shape (m, d), contiguous
        The rows on offer.
    radius : float
    """

    def __init__(self, rows: NDArray[Any], radius: float) -> None:
        self._rows = rows
        self._radius = radius
        self._recent: list[int] = []  # picks that no sweep has seen
        self.swept = np.zeros(len(rows), np.bool_)

    def blocks(self, entry: int) -> bool:
        """Tell whether the row on offer lies within the radius of any pick so far."""
        if self.swept[entry]:
            return True
        if not self._recent:
            return False
        table = centroid_table(self._rows[entry : entry + 1])
        return bool(radius_filter(Rows(self._rows[self._recent]), table, self._radius).any())

    def pick(self, entry: int) -> None:
        """Add a pick."""
        self._recent.append(entry)
        if len(self._recent) == _SWEEP:
            table = centroid_table(self._rows[self._recent])
            self.swept |= radius_filter(Rows(self._rows), table, self._radius)
            self._recent.clear()


def cut_apart(pool: Pool, listed: Offers, sizes: NDArray[np.int64], rule: Rule) -> Batch | None:
    """Pick up to `b` offers in order of quotient, no two within the radius of one another.

    A row within it of an earlier pick is passed over, and its cluster offers its next best at the
    same quotient.

    Returns
    -------
    Batch or None
        Fewer than `b` picks if all rows of all clusters (`sizes`) were offered; None if a cluster
        has more rows than are listed and would have had to offer one of them.

    Notes
    -----
    A matrix pass for every 256 picks does most of the blocking; only the newest picks are compared
    with one offer at a time. O(m b d) time and O(m d) memory, for m rows on offer.
    """
    assert rule.radius is not None
    rows = gather(pool, listed.indices)
    matrix = loaded(rows.seen(normalize=True))[0] if rule.normalize else as_float(rows)
    blocking = Blocking(matrix, rule.radius)
    weights = rule.weights(sizes)
    ends = np.searchsorted(listed.clusters, np.arange(len(sizes)), side="right")
    lengths = np.bincount(listed.clusters, minlength=len(sizes))
    queue: list[tuple[float, float, int, int, int]] = []
    picks: list[int] = []
    ranks: list[int] = []

    def offer(cluster: int, entry: int, rank: int) -> bool:
        """Queue the cluster's next row; False if it is beyond the list."""
        if entry == ends[cluster]:
            return bool(lengths[cluster] == sizes[cluster])
        quotient = (rank + 0.5) / float(weights[cluster])
        place = (-float(listed.scores[entry]), int(listed.indices[entry]))
        heapq.heappush(queue, (quotient, *place, entry, rank))
        return True

    for cluster in np.flatnonzero(lengths):
        offer(int(cluster), int(ends[cluster] - lengths[cluster]), 0)
    while queue and len(picks) < rule.b:
        _, _, _, entry, rank = heapq.heappop(queue)
        if not blocking.blocks(entry):
            blocking.pick(entry)
            picks.append(entry)
            ranks.append(rank)
            rank += 1
        if not offer(int(listed.clusters[entry]), entry + 1, rank) and len(picks) < rule.b:
            return None
    chosen = np.array(picks, np.int64)
    return Batch(
        indices=listed.indices[chosen],
        scores=listed.scores[chosen],
        clusters=listed.clusters[chosen],
        ranks=np.array(ranks, np.int64),
        rows=rows.taken(chosen),
    )
