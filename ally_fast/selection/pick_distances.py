"""Distances of rows that may be picked, computed while the rows are in memory.

Reading the picks again would cost a pass over a pool that must be decoded or fetched.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.ops.assign import packed_points, squared_distances
from ally_fast.rows import Rows
from ally_fast.selection.part import Distances, Entries
from ally_fast.selection.rule import Rule

_SPARE = 4  # keeps up to this many times a shortlist's entries between two clearings


class PickDistances:
    """Squared distances of the rows that a shortlist holds after each chunk.

    Parameters
    ----------
    centroids : ndarray, shape (k, d)
    rule : Rule
    """

    def __init__(self, centroids: NDArray[Any], rule: Rule) -> None:
        self._table = packed_points(centroids)
        self._normalize = rule.normalize
        self._most = _SPARE * (rule.b + rule.k)
        self._pairs: list[Distances] = []

    def add(self, entries: Entries, rows: Rows, lo: int) -> None:
        """Add the entries that are among `rows`, whose first has the pool index `lo`."""
        clusters, _, indices = entries
        inside = (indices >= lo) & (indices < lo + len(rows))
        chosen = rows.taken(indices[inside] - lo).seen(self._normalize)
        distances = squared_distances(chosen, self._table, clusters[inside])
        self._pairs.append((indices[inside], distances))
        if sum(len(part) for part, _ in self._pairs) > self._most:
            members, distances = self.pairs()
            is_entry = np.isin(members, indices)
            self._pairs = [(members[is_entry], distances[is_entry])]

    def pairs(self) -> Distances:
        """Return all squared distances."""
        indices = np.concatenate([part for part, _ in self._pairs] or [np.empty(0, np.int64)])
        distances = np.concatenate([part for _, part in self._pairs] or [np.empty(0)])
        order = np.argsort(indices)
        return indices[order], distances[order]


def looked_up(pairs: Distances, indices: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Return the squared distances of rows, or None if some are missing."""
    rows, distances = pairs
    positions = np.searchsorted(rows, indices)
    if not len(rows) or (rows[np.minimum(positions, len(rows) - 1)] != indices).any():
        return None
    return distances[positions]
