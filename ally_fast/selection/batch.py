"""From each cluster's best rows to the batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ally_fast.ops.shortlist import tie_positions
from ally_fast.pools.pool import Pool
from ally_fast.pools.reading import gather_rows
from ally_fast.rows import Rows
from ally_fast.selection.allocation import quotients
from ally_fast.selection.part import Entries
from ally_fast.selection.rule import Rule


@dataclass(frozen=True, eq=False)
class Batch:
    """Picks in priority order: pool indices, scores, clusters, ranks, each of shape (b,).

    `rows` holds their embeddings if picking had to read them.
    """

    indices: NDArray[np.int64]
    scores: NDArray[np.float64]
    clusters: NDArray[np.int32]
    ranks: NDArray[np.int64]
    rows: Rows | None = None


EMPTY = Batch(np.empty(0, np.int64), np.empty(0), np.empty(0, np.int32), np.empty(0, np.int64))


@dataclass(frozen=True, eq=False)
class Offers:
    """Entries of a shortlist, by cluster and best first: the order in which clusters offer rows."""

    clusters: NDArray[np.int32]
    scores: NDArray[np.float64]
    indices: NDArray[np.int64]
    ranks: NDArray[np.int64]


def gather(pool: Pool, indices: NDArray[np.int64]) -> Rows:
    """Return the rows at pool indices in any order, read in the order of the pool."""
    by_index = np.argsort(indices)
    rows = gather_rows(pool, indices[by_index])
    positions = np.empty_like(by_index)
    positions[by_index] = np.arange(len(by_index))
    return rows.taken(positions)


def offers(entries: Entries) -> Offers:
    """Return a shortlist's entries with their ranks."""
    clusters, scores, indices = entries
    starts = np.searchsorted(clusters, clusters, side="left")
    return Offers(clusters, scores, indices, np.arange(len(clusters)) - starts)


def cut(entries: Offers, weights: NDArray[np.float64], rule: Rule) -> Batch:
    """Return the first ``b`` entries by (quotient, score descending, order of ties)."""
    quotient = quotients(entries.ranks, entries.clusters, weights)
    ties = tie_positions(entries.indices, rule.tie_seed)
    order = np.lexsort((ties, -entries.scores, quotient))[: rule.b]
    return Batch(
        indices=entries.indices[order],
        scores=entries.scores[order],
        clusters=entries.clusters[order],
        ranks=entries.ranks[order],
    )
