"""What strategies that choose by cluster share: the number of clusters, and `select`."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import checks
from ally_fast.arrays import NUMPY
from ally_fast.pools.pool import Pool
from ally_fast.selection.select import select
from ally_fast.strategies.contract import Context
from ally_fast.strategies.request import Request


def check_clusters(k: Any) -> None:
    """Raise ValueError or TypeError unless `k` is a number of clusters, a share of b, or None."""
    if isinstance(k, float):
        if not 0 < k <= 1:
            raise ValueError(f"k: got {k}, needs an integer, or a share of b in (0, 1]")
    elif k is not None:
        checks.integer(k, "k", 1)


def clusters_for(k: int | float | None, b: int) -> int:
    """Return the number of clusters for `b` picks, at most `b`; `k` None: one for each pick."""
    if k is None:
        return b
    return min(math.ceil(k * b) if isinstance(k, float) else int(k), b)


def best_of_clusters(
    context: Context, request: Request, pool: Pool, scores: Any, k: int, **options: Any
) -> NDArray[np.int64]:
    """Return the batch that `select` chooses for a context."""
    picks: NDArray[np.int64] = select(
        numpy_family(pool),
        scores,
        request.b,
        k,
        exclude=context.exclude,
        device=context.device,
        seed=context.seed,
        chunk_rows=context.chunk_rows,
        **options,
    )
    return picks


def numpy_family(pool: Pool) -> Pool:
    """Return the pool, changed so that `select` answers with a NumPy array."""
    if pool.family is NUMPY:
        return pool
    twin: Any = copy.copy(pool)
    twin.family = NUMPY
    same: Pool = twin
    return same


def round_robin(
    clusters: NDArray[np.int32], distances: NDArray[np.float64], indices: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return an order of rows in which every cluster gives its nearest row before any its second.

    Within a cluster, and among rows of equal rank, the smallest distance comes first, then the
    lowest index.
    """
    order = np.lexsort((indices, distances, clusters))
    starts = np.flatnonzero(np.diff(clusters[order], prepend=-1))
    ranks = np.empty(len(order), np.int64)
    sizes = np.diff(np.append(starts, len(order)))
    ranks[order] = np.arange(len(order)) - np.repeat(starts, sizes)
    return np.lexsort((indices, distances, ranks))
