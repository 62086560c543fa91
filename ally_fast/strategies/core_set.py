"""Core-set selection."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ally_fast import checks
from ally_fast.cluster.arguments import METRICS, checked_points, checked_pool
from ally_fast.device import choose_devices
from ally_fast.memory import beside, to_host
from ally_fast.ops.assign import packed_points
from ally_fast.ops.k_center_greedy import k_center_greedy
from ally_fast.ops.sample_rows import sample_rows
from ally_fast.pools import as_pool
from ally_fast.strategies.contract import Context
from ally_fast.strategies.parameters import Parameters
from ally_fast.strategies.pieces import (
    check_pool_squares,
    embeddings_named,
    host_pool,
)
from ally_fast.strategies.request import NO_ROWS, open_request


class CoreSet(Parameters):
    """Cover the pool: each pick is the row farthest from the labeled set and from earlier picks.

    Parameters
    ----------
    metric : "euclidean" or "cosine"
        "cosine" compares rows at unit length, without a copy of the pool.

    Notes
    -----
    Needs ``embeddings`` and ``labeled_embeddings``. If there are no labeled rows, shape (0, d), the
    first pick is a random row. Picks are exact, ties go to the lower index, and the answer is the
    same on any machine. Time: at most O(n (l + b) d), usually far less. Memory: 24 bytes a row.
    Rows on a GPU stay there, and so does the work. A pool that is not an array, such as a Parquet
    file, is read into memory. Source: Sener, Savarese, "Active learning for convolutional neural
    networks: a core-set approach", ICLR 2018 (k-center greedy, without its mixed-integer
    refinement).
    """

    name = "CoreSet"

    def __init__(self, *, metric: str = "euclidean") -> None:
        checks.choice(metric, "metric", METRICS)
        self.metric = metric

    def query(self, context: Context, b: int) -> NDArray[np.int64]:
        """Return `b` rows, farthest first; see `Strategy`."""
        request = open_request(self.name, context, b, "embeddings", "labeled_embeddings")
        pool = as_pool(context.embeddings)
        if pool.device == "cpu":
            pool = host_pool(self.name, context)
        else:
            choose_devices(context.device, pool.device)
        pool = checked_pool(pool)
        normalize = self.metric == "cosine"
        labeled = checked_points(
            context.labeled_embeddings, "labeled_embeddings", pool.d, normalize
        )
        if request.b == 0:
            return NO_ROWS.copy()
        rows = pool.read(0, pool.n)
        if not normalize:
            check_pool_squares(self.name, request, rows)
        first = None
        if not len(labeled):
            first = int(sample_rows(request.n, 1, context.seed, request.eligible)[0])
        positions = request.positions()
        with embeddings_named(self.name):
            if positions is not None:
                positions = beside(rows.array, positions)
            picks, _ = k_center_greedy(
                rows.seen(normalize, positions),
                request.b,
                starts=packed_points(beside(rows.array, labeled)) if len(labeled) else None,
                first=first,
            )
        pool.check()
        return to_host(picks)
