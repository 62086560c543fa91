"""A pool whose rows are read by workers on other machines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.pools.host_pool import HostPool
from ally_fast.pools.pool import Pool
from ally_fast.rows import Rows


class RemotePool(HostPool):
    """The rows of a pool, read by workers and not by this process.

    Parameters
    ----------
    pool : Pool
        All workers must reach its files under the same names.
    run : callable
        ``run(function, *arguments)`` calls a function in a worker, and returns its result.
        Several threads call `run` at once.
    readers : int
        The most calls that run at once.
    put : callable, optional
        Sends a value to the workers once; its result stands for the value in all calls.
    cancel : callable, optional
        Ends the running calls; called when a pass ends early, for example by Ctrl-C.

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
        """Return the ranges that workers read in parallel."""
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
        """Return a function's answer for rows ``lo`` to ``hi``, computed by a worker."""
        return self._run(_apply, self.sent, function, lo, hi, mask)

    def fault(self, row: int) -> str | None:
        """Say why a row is not finite, and which shard holds it."""
        return self.workers_pool.fault(row)

    def check(self) -> None:
        """Do nothing: the workers check what they read."""


def as_workers_read(pool: Pool) -> Pool:
    """Return the pool to send to workers."""
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
