"""A pool of shards in order."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.pools.column import Column
from ally_fast.pools.constant_column import ConstantColumn
from ally_fast.pools.fingerprint import Fingerprint
from ally_fast.pools.host_pool import HostPool
from ally_fast.pools.pool import Pool
from ally_fast.pools.reading import reader_number
from ally_fast.pools.shard import Shard
from ally_fast.pools.sharded_column import ShardedColumn
from ally_fast.rows import Rows

_MOST_OPEN = 64  # files; many systems allow a process only 1,024


class ShardedPool(HostPool):
    """Serve the rows of shards in order, from one column of vectors in each shard.

    Parameters
    ----------
    shards : sequence of Shard
        At least one shard. A shard may hold no rows.
    column : str, optional
        The column of vectors, or the key. None means the only one that there is.

    Raises
    ------
    ValueError, TypeError
        If shards differ in the width or dtype of their vectors. Also whatever a shard raises, here
        or on reading. The message names the shard.

    Notes
    -----
    ``read`` returns the rows of one shard as the shard gives them; it copies only rows of several
    shards, to join them. At most 64 shards are open at a time. If a shard's size or modification
    time changes between two passes, that is an error that names the shard.
    """

    def __init__(self, shards: Sequence[Shard], column: str | None = None) -> None:
        self._shards = list(shards)
        self._column = column
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[int, int], Pool] = OrderedDict()
        self._stamps = [shard.stamp() for shard in self._shards]
        self._used: set[int] = set()
        self._digests: dict[int, str] = {}
        rows: list[int] = []
        self._widths: list[int] = []
        units: list[list[int]] = []
        first: Pool | None = None
        first_number = 0
        for number, shard in enumerate(self._shards):
            vectors = self._vectors(number)
            units.append([lo for lo, _ in vectors.units(0, vectors.n)])
            rows.append(vectors.n)
            self._widths.append(vectors.d)
            if not vectors.n:
                continue
            if first is not None:
                _check_alike(shard, vectors, first, self._shards[first_number])
            if first is None or not first.d:
                first, first_number = vectors, number
        first = first or self._vectors(0)
        self.starts = np.cumsum([0, *rows], dtype=np.int64)
        self.n = int(self.starts[-1])
        within = [np.array(lows, np.int64) for lows in units]
        self._bounds = np.concatenate(
            [start + lows for start, lows in zip(self.starts[:-1], within, strict=True)]
        )
        self.d, self.dtype_name, self.itemsize = first.d, first.dtype_name, first.itemsize
        self.family, self.streamed = first.family, first.streamed

    @property
    def shards(self) -> Sequence[Shard]:
        """The shards, in order."""
        return self._shards

    def read(self, lo: int, hi: int) -> Rows:
        """Return rows ``lo`` to ``hi`` (exclusive)."""
        parts = []
        for number in self._numbers(lo, hi):
            start, end = int(self.starts[number]), int(self.starts[number + 1])
            shard = self._vectors(number)
            parts.append((number, shard.read(max(lo, start) - start, min(hi, end) - start)))
        return self._joined(parts)

    def gather(self, indices: NDArray[np.int64]) -> Rows:
        """Return the rows at sorted pool `indices`."""
        parts = []
        bounds = np.searchsorted(indices, self.starts)
        for number in np.flatnonzero(np.diff(bounds)).tolist():
            inside = indices[bounds[number] : bounds[number + 1]] - self.starts[number]
            parts.append((number, self._vectors(number).gather(inside)))
        return self._joined(parts)

    def units(self, lo: int, hi: int) -> list[tuple[int, int]]:
        """Return the ranges of the shards, split further where a shard has units of its own."""
        inner = self._bounds[(self._bounds > lo) & (self._bounds < hi)].tolist()
        return list(pairwise([lo, *inner, hi])) if lo < hi else []

    def fault(self, row: int) -> str:
        """Say why a row is not finite, and which shard holds it."""
        number, inside = self.place(row)
        fault = self._vectors(number).fault(inside)
        if fault is None:
            fault = f"{self._shards[number].name}: row {inside} holds NaN or infinite values"
        if self.ids is not None:
            (name,) = self.ids.take(np.array([row])).to_pylist()
            fault += f" (id {name!r})"
        return fault

    def column(self, name: str | None) -> Column:
        """Return a column of the shards, in order; hive-style folder names are columns too."""
        return ShardedColumn(
            [self._shard_column(i, name) for i in range(len(self.shards))], self.starts
        )

    @property
    def column_name(self) -> str | None:
        """The column of vectors that the caller named; None means the only one."""
        return self._column

    def digest(self, number: int) -> str:
        """Return a hash of parts of a shard, as hexadecimal text; it is read once."""
        if number not in self._digests:
            self._digests[number] = self._shards[number].digest().hex()
        return self._digests[number]

    def fingerprint(self) -> Fingerprint:
        """Return the pool's fingerprint; reads a little of each shard."""
        rows = np.diff(self.starts).tolist()
        return Fingerprint(
            tuple(
                (os.path.basename(shard.name), count, self.digest(number))
                for number, (shard, count) in enumerate(zip(self._shards, rows, strict=True))
            )
        )

    def place(self, row: int) -> tuple[int, int]:
        """Return the shard's number and the row within it."""
        number = int(np.searchsorted(self.starts, row, side="right")) - 1
        return number, row - int(self.starts[number])

    def check(self) -> None:
        """Raise ValueError if a shard that was read since the last check has changed."""
        with self._lock:
            numbers, self._used = self._used, set()
            opened = [vectors for (number, _), vectors in self._open.items() if number in numbers]
        for vectors in opened:
            vectors.check()
        for number in numbers:
            self._check(number)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state to pickle, without open files."""
        state = {**self.__dict__, "_open": OrderedDict(), "_used": set()}
        del state["_lock"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state; shards open when they are read."""
        self.__dict__.update(state, _lock=threading.Lock())

    def _vectors(self, number: int) -> Pool:
        """Return a shard's vectors for this reader; the least recently used ones are closed."""
        key = (number, reader_number())
        with self._lock:
            self._used.add(number)
            if key in self._open:
                self._open.move_to_end(key)
                return self._open[key]
        self._check(number)
        vectors = self._shards[number].vectors(self._column)
        with self._lock:
            self._open[key] = vectors
            while len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)
        return vectors

    def _shard_column(self, number: int, name: str | None) -> Column:
        shard = self._shards[number]
        if name is not None and name in shard.partitions and name not in shard.names:
            rows = int(self.starts[number + 1] - self.starts[number])
            return ConstantColumn(f"{shard.name}: {name}", shard.partitions[name], rows)
        return shard.column(name)

    def _check(self, number: int) -> None:
        shard = self._shards[number]
        try:
            changed = shard.stamp() != self._stamps[number]
        except FileNotFoundError:
            with self._lock:
                is_open = any(number == opened for opened, _ in self._open)
            if is_open:  # what is open stays
                return
            raise
        if changed:
            raise ValueError(f"{shard.name}: the file changed while it was read")

    def _numbers(self, lo: int, hi: int) -> Iterator[int]:
        """Yield the shards that hold rows of a range."""
        if lo == hi:
            return
        first = int(np.searchsorted(self.starts, lo, side="right")) - 1
        last = int(np.searchsorted(self.starts, hi - 1, side="right")) - 1
        for number in range(first, min(last + 1, len(self._shards))):
            if self.starts[number] < self.starts[number + 1]:
                yield number

    def _joined(self, parts: list[tuple[int, Rows]]) -> Rows:
        rows = [self._whole(number, part) for number, part in parts]
        if len(rows) == 1:
            return rows[0]
        if not rows:
            return self._vectors(0).read(0, 0)
        return Rows(np.concatenate([part.array for part in rows]), rows[0].bf16)

    def _whole(self, number: int, rows: Rows) -> Rows:
        """Return rows as they are; NaN rows if no row of the shard has a vector."""
        if self._widths[number] or not self.d:
            return rows
        return Rows(np.full((len(rows), self.d), np.nan, rows.array.dtype))


def _check_alike(shard: Shard, vectors: Pool, first: Pool, first_shard: Shard) -> None:
    """Raise ValueError if a shard's vectors differ from the first shard's in width or dtype."""
    if vectors.d and first.d and vectors.d != first.d:
        raise ValueError(
            f"{shard.name}: holds vectors of {vectors.d} values, needs {first.d} as in "
            f"{first_shard.name}"
        )
    if vectors.dtype_name != first.dtype_name:
        raise ValueError(
            f"{shard.name}: holds {vectors.dtype_name}, needs {first.dtype_name} as in "
            f"{first_shard.name}"
        )
