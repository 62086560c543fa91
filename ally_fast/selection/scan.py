"""The pass over the pool: assign each chunk, keep what can still be in the batch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ally_fast.cluster.engine import Assigner
from ally_fast.ops.shortlist import Shortlist
from ally_fast.pools.chunks import chunks
from ally_fast.pools.finite import nonfinite_error
from ally_fast.pools.pool import Pool
from ally_fast.progress import Progress
from ally_fast.selection.scores import Scores


def scan(
    pool: Pool,
    scores: Scores,
    assigner: Assigner,
    eligible: NDArray[np.bool_] | None,
    *,
    shortlist: Shortlist | None,
    assignments: NDArray[np.int32] | None,
    chunk_rows: int,
    progress: bool,
) -> None:
    """Assign every eligible row; push it to `shortlist` and note it in `assignments`, if given.

    Rows that are not eligible are not read; `assignments` has -1 there.

    Raises
    ------
    ValueError
        If an eligible row is not finite.
    """
    with Progress(progress, pool.n, "assign") as bar:
        for lo, hi in chunks(pool.n, chunk_rows):
            positions = None if eligible is None else np.flatnonzero(eligible[lo:hi])
            if positions is not None and len(positions) == hi - lo:
                positions = None
            if positions is None or len(positions):
                found, finite = assigner(pool.read(lo, hi), positions)
                if not finite:
                    raise nonfinite_error(pool, eligible)
                if assignments is not None:
                    assignments[lo:hi][... if positions is None else positions] = found
                if shortlist is not None:
                    values = scores.read(lo, hi)
                    if positions is None:
                        shortlist.push(found, values, first=lo)
                    else:
                        shortlist.push(found, values[positions], indices=lo + positions)
            bar.advance(hi - lo)


def push_all(
    shortlist: Shortlist, assignments: NDArray[np.int32], scores: Scores, chunk_rows: int
) -> None:
    """Push rows assigned earlier."""
    for lo, hi in chunks(len(assignments), chunk_rows):
        shortlist.push(assignments[lo:hi], scores.read(lo, hi), first=lo)
