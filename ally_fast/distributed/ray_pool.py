"""A pool whose rows are read by tasks on a cluster."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.distributed.tasks import Tasks
from ally_fast.pools.host_pool import HostPool
from ally_fast.pools.sharded_pool import ShardedPool
from ally_fast.rows import Rows


class RayPool(HostPool):
    """The rows of a pool, of which this process reads none.

    Parameters
    ----------
    pool : ShardedPool
        Its files must be reachable under the same names from all machines.
    tasks : Tasks
    """

    streamed = True

    def __init__(self, pool: ShardedPool, tasks: Tasks) -> None:
        self.n, self.d = pool.n, pool.d
        self.dtype_name, self.itemsize = pool.dtype_name, pool.itemsize
        self.family = pool.family
        self.ids, self.scores, self.keep = pool.ids, pool.scores, pool.keep
        self.on_bad_row = pool.on_bad_row
        self._pool, self._tasks = pool, tasks
        self._sent = tasks.put(pool)

    def units(self, lo: int, hi: int) -> list[tuple[int, int]]:
        """Return the ranges that tasks read side by side."""
        return self._pool.units(lo, hi)

    def read(self, lo: int, hi: int) -> Rows:
        """Return rows ``lo`` to ``hi`` (exclusive), read by a task."""
        rows: Rows = self._tasks.run(_read, self._sent, lo, hi)
        return rows

    def gather(self, indices: NDArray[np.int64]) -> Rows:
        """Return the rows at sorted pool `indices`, gathered by a task."""
        rows: Rows = self._tasks.run(_gather, self._sent, indices)
        return rows

    def fault(self, row: int) -> str:
        """Say why a row is not finite, and in which shard it stands."""
        return self._pool.fault(row)

    @property
    def sent(self) -> Any:
        """Where tasks find the pool."""
        return self._sent


def _read(pool: ShardedPool, lo: int, hi: int) -> Rows:
    rows = pool.read(lo, hi)
    pool.check()
    return rows


def _gather(pool: ShardedPool, indices: NDArray[np.int64]) -> Rows:
    rows = pool.gather(indices)
    pool.check()
    return rows
