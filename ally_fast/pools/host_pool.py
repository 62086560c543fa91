"""Pools that give their rows in host memory."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.arrays import NUMPY, Family
from ally_fast.pools.column import Column
from ally_fast.pools.ids import Ids
from ally_fast.pools.pool import RowSource
from ally_fast.rows import Rows

if TYPE_CHECKING:
    from ally_fast._cuda import Stream


class HostPool:
    """Base class of pools in host memory: defaults for all of `Pool` but the rows."""

    family: Family = NUMPY
    device: str = "cpu"
    stream: Stream | None = None
    ids: Ids | None = None
    scores: Any = None
    keep: Mapping[str, Column] = MappingProxyType({})
    on_bad_row: str = "error"
    streamed: bool = False
    readers: int | None = None

    def units(self, lo: int, hi: int) -> list[tuple[int, int]]:
        """Return the range itself: one reader reads it."""
        return [(lo, hi)]

    def fault(self, row: int) -> str | None:
        """Return None: there is nothing to say but the row's number."""
        return None

    def check(self) -> None:
        """Do nothing: no file could change."""


class SourcePool(HostPool):
    """Make a pool of a row source that the caller wrote.

    Parameters
    ----------
    source : RowSource
        Its rows are in host memory.
    """

    def __init__(self, source: RowSource) -> None:
        self._source = source
        self.n, self.d = source.n, source.d
        self.dtype_name, self.itemsize = source.dtype_name, source.itemsize

    def read(self, lo: int, hi: int) -> Rows:
        """Return rows ``lo`` to ``hi`` (exclusive)."""
        return self._source.read(lo, hi)

    def gather(self, indices: NDArray[np.int64]) -> Rows:
        """Return the rows at sorted pool `indices`."""
        return self._source.gather(indices)
