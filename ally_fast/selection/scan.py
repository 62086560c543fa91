"""The pass over the pool that keeps what can still be in the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.cluster.engine import Assigner
from ally_fast.cluster.pool_pass import assign_chunks
from ally_fast.ops.shortlist import Shortlist
from ally_fast.pools.chunks import chunks
from ally_fast.pools.pool import Pool
from ally_fast.selection.scores import Scores


def scan(
    pool: Pool,
    scores: Scores,
    assigners: Sequence[Assigner],
    eligible: NDArray[np.bool_] | None,
    weights: NDArray[np.float64],
    b: int,
    *,
    chunk_rows: int,
    progress: bool,
) -> Shortlist:
    """Assign every eligible row and return the shortlist of all of them.

    Each assigner collects what it saw, where it saw it; that is merged at the end.

    Raises
    ------
    ValueError
        If an eligible row is not finite.
    """
    collectors = [assigner.shortlister(len(weights), b, weights) for assigner in assigners]

    def take(part: int, found: Any, lo: int, hi: int) -> None:
        collectors[part].push(found, scores.read(lo, hi, assigners[part].device), lo)

    assign_chunks(pool, assigners, eligible, take, chunk_rows=chunk_rows, progress=progress)
    shortlist = Shortlist(len(weights), b, weights)
    for collector in collectors:
        collector.merge_into(shortlist)
    return shortlist


def push_all(
    shortlist: Shortlist, assignments: NDArray[np.int32], scores: Scores, chunk_rows: int
) -> None:
    """Push rows assigned earlier."""
    for lo, hi in chunks(len(assignments), chunk_rows):
        shortlist.push(assignments[lo:hi], scores.read(lo, hi), first=lo)
