"""What remains of some rows of a pool after they are assigned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ally_fast.ops.shortlist import Shortlist
from ally_fast.selection.rule import Rule

# Clusters, scores and pool indices, by cluster and best first.
Entries = tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.int64]]
# Pool indices, ascending, and squared distances to their centroids.
Distances = tuple[NDArray[np.int64], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Part:
    """The result of scanning some rows of a pool.

    Attributes
    ----------
    sizes : ndarray of int64, shape (k,)
        Eligible rows in each cluster.
    entries : Entries or None
        Rows that may still be picked, O(b + k) of them. None if the rule must see all rows of the
        pool to tell.
    assigned : tuple of (int, ndarray of int32)
        In that case the cluster of every row, -1 if not eligible, as runs of rows. Each run comes
        with the pool index of its first row.
    scored : tuple of (int, ndarray of float64)
        Scores of the same rows if a function computed them; NaN if not eligible.
    distances : Distances or None
        Distances of rows that may still be picked, if they were computed.
    """

    sizes: NDArray[np.int64]
    entries: Entries | None = None
    assigned: tuple[tuple[int, NDArray[np.int32]], ...] = ()
    scored: tuple[tuple[int, NDArray[np.float64]], ...] = ()
    distances: Distances | None = None


def merge(rule: Rule, *parts: Part) -> Part:
    """Merge parts into one that holds the rows of all, in any order and grouping.

    Parameters
    ----------
    rule : Rule
        The rule of the task that made the parts.
    *parts : Part

    Returns
    -------
    Part
        Again O(b + k) rows, or all rows if the rule needs the clusters of all. Takes O(rows of all
        parts) time, and reads no row of the pool.
    """
    if len(parts) == 1:
        return parts[0]
    sizes = sum((part.sizes for part in parts), np.zeros(rule.k, np.int64))
    if rule.b == 0:
        return Part(sizes)
    if rule.needs_assignments:
        return Part(
            sizes,
            assigned=tuple(run for part in parts for run in part.assigned),
            scored=tuple(run for part in parts for run in part.scored),
        )
    shortlist = Shortlist(rule.k, rule.b, rule.weights(), rule.tie_seed)
    for part in parts:
        if part.entries is not None:
            shortlist.merge_entries(*part.entries, part.sizes)
    return Part(sizes, shortlist.entries(), distances=_joined(parts))


def _joined(parts: tuple[Part, ...]) -> Distances | None:
    pieces = [part.distances for part in parts if part.distances is not None]
    if len(pieces) < len(parts):
        return None
    indices = np.concatenate([rows for rows, _ in pieces])
    order = np.argsort(indices)
    return indices[order], np.concatenate([distances for _, distances in pieces])[order]
