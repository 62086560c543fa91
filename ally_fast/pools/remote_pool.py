"""A pool whose rows are read by workers elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.pools.host_pool import HostPool
from ally_fast.pools.pool import Pool
from ally_fast.rows import Rows


class RemotePool(HostPool):
    """The rows of a pool, of which this process reads none.

    Parameters
    ----------
    pool : Pool
        Its files must be reachable under the same names from all workers.
    run : callable
        ``run(function, *arguments)`` calls a function in a worker, and returns what it returns.
        Several threads call it at once.
    readers : int
        How many calls are under way at once, at most.
    put : callable, optional
        Sends a value to the workers once, for all calls that are given what it returns.
    cancel : callable, optional
        Ends the calls that are under way; called where a pass ends early, by Ctrl-C say.

    Attributes
    ----------
    workers_pool : Pool
        The pool as workers read it.
    """

    streamed = True

    def __init__(
        self,
        pool: Pool,
        run: Callable[..., Any],
        readers: int,
        put: Callable[[Any], Any] = lambda value: value,
        cancel: Callable[[], None] = lambda: None,
    ) -> None:
        self.n, self.d = pool.n, pool.d
        self.dtype_name, self.itemsize = pool.dtype_name, pool.itemsize
        self.family, self.on_bad_row = pool.family, pool.on_bad_row
        self.ids, self.scores, self.keep = pool.ids, pool.scores, pool.keep
        self.readers: int | None = readers
        self.put, self.cancel = put, cancel
        self.sent = put(pool)
        self.workers_pool = pool
        self._run = run

    def units(self, lo: int, hi: int) -> list[tuple[int, int]]:
        """Return the ranges that workers read side by side."""
        return self.workers_pool.units(lo, hi)

    def read(self, lo: int, hi: int) -> Rows:
        """Return rows ``lo`` to ``hi`` (exclusive), read by a worker."""
        rows: Rows = self._run(_read, self.sent, lo, hi)
        return rows

    def gather(self, indices: NDArray[np.int64]) -> Rows:
        """Return the rows at sorted pool `indices`, gathered by a worker."""
        rows: Rows = self._run(_gather, self.sent, indices)
        return rows

    def apply(self, function: Any, lo: int, hi: int, mask: NDArray[np.bool_] | None) -> Any:
        """Return what a function says of rows ``lo`` to ``hi``, called where they are read."""
        return self._run(_apply, self.sent, function, lo, hi, mask)

    def fault(self, row: int) -> str | None:
        """Say why a row is not finite, and in which shard it stands."""
        return self.workers_pool.fault(row)

    def check(self) -> None:
        """Do nothing: the workers check what they read."""


def as_workers_read(pool: Pool) -> Pool:
    """Return the pool that workers are to be given."""
    return pool.workers_pool if isinstance(pool, RemotePool) else pool


def _read(pool: Pool, lo: int, hi: int) -> Rows:
    rows = pool.read(lo, hi)
    pool.check()
    return rows


def _gather(pool: Pool, indices: NDArray[np.int64]) -> Rows:
    rows = pool.gather(indices)
    pool.check()
    return rows


def _apply(pool: Pool, function: Any, lo: int, hi: int, mask: NDArray[np.bool_] | None) -> Any:
    answer = function(pool.read(lo, hi), lo, mask)
    pool.check()
    return answer
