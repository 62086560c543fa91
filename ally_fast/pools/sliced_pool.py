"""A pool over a two-dimensional array read in slices: HDF5, Zarr."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.arrays import as_array
from ally_fast.pools.column_file import check_width
from ally_fast.pools.host_pool import HostPool
from ally_fast.pools.pool import computable
from ally_fast.pools.sliced_array import SlicedArray, check_chunks
from ally_fast.rows import Rows

_BLOCK_BYTES = 4 << 20
_BF16_NAN = 0x7FC0
_PIECE_BYTES = 64 << 10  # read for a single row of an array that is stored in one piece


class SlicedPool(HostPool):
    """Rows of an array in a file, read a few megabytes at a time.

    Parameters
    ----------
    opener : callable
        Opens the array. It can be pickled.

    Raises
    ------
    TypeError
        If the array does not hold real numbers.
    ValueError
        If the array is not two-dimensional, or its chunks are too large. Also if the file is
        damaged, here or on reading.

    Notes
    -----
    Rows are decoded in blocks, which are whole numbers of chunks. The last block is kept, so a pass
    in order decodes each chunk once. ``gather`` decodes only the chunks that it needs. A row whose
    chunk was never written reads as NaN. You can pickle a pool; the copy opens the file again.
    """

    streamed = True

    def __init__(self, opener: Callable[[], SlicedArray]) -> None:
        self._opener = opener
        self._lock = threading.Lock()
        self._array = array = opener()
        kind = as_array(np.empty(0, array.dtype), array.name)
        if len(array.shape) != 2:
            raise ValueError(
                f"{array.name}: need one row of values per example, got shape {array.shape}"
            )
        self.n, self.d = array.shape[0], check_width(array.name, array.shape[1])
        self.dtype_name, self.itemsize = kind.dtype_name, array.dtype.itemsize
        self._bf16 = kind.bf16
        self._dtype = computable(kind.array, self._bf16).array.dtype
        row_bytes = max(1, self.d * self.itemsize)
        check_chunks(array)
        self._unit = array.chunk_rows or max(1, _PIECE_BYTES // row_bytes)
        self._units_at_once = max(1, _BLOCK_BYTES // (self._unit * row_bytes))
        self._start, self._block = 0, np.empty((0, self.d), self._dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to open the file again."""
        return type(self), (self._opener,)

    def read(self, lo: int, hi: int) -> Rows:
        """Return rows ``lo`` to ``hi`` (exclusive); a row that was never written is NaN."""
        rows, parts = self._unit * self._units_at_once, []
        with self._lock:
            for start in range(lo // rows * rows, hi, rows):
                if start != self._start or not len(self._block):
                    self._block = self._rows(start, min(self.n, start + rows))
                    self._start = start
                parts.append(self._block[max(0, lo - start) : hi - start])
        return self._joined(parts)

    def gather(self, indices: NDArray[np.int64]) -> Rows:
        """Return the rows at sorted pool `indices`; a row that was never written is NaN."""
        parts = []
        with self._lock:
            for start, end in self._runs(np.unique(indices // self._unit)):
                lo, hi = np.searchsorted(indices, [start, end])
                parts.append(self._rows(start, end)[indices[lo:hi] - start])
        return self._joined(parts)

    def fault(self, row: int) -> str:
        """Say why a row cannot be used; the text names the file and the array."""
        with self._lock:
            what = "holds NaN or infinite values"
            if not self._array.is_written(row):
                what = "was never written: its chunk is missing"
        return f"{self._array.name}: row {row} {what}"

    def check(self) -> None:
        """Raise ValueError if anything read has changed since."""
        self._array.check()

    def _runs(self, units: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
        """Yield (lo, hi) of rows that cover sorted units; neighbours are joined up to a block."""
        for run in np.split(units, np.flatnonzero(np.diff(units) != 1) + 1):
            for place in range(0, len(run), self._units_at_once):
                part = run[place : place + self._units_at_once]
                yield int(part[0]) * self._unit, min(self.n, (int(part[-1]) + 1) * self._unit)

    def _rows(self, lo: int, hi: int) -> NDArray[Any]:
        stored = as_array(self._array.rows(lo, hi), self._array.name).array
        rows: NDArray[Any] = computable(stored, self._bf16).array
        for start in range(lo, hi, self._unit):
            if not self._array.is_written(start):
                rows[start - lo : start - lo + self._unit] = _BF16_NAN if self._bf16 else np.nan
        return rows

    def _joined(self, parts: list[NDArray[Any]]) -> Rows:
        if len(parts) == 1:
            return Rows(parts[0], self._bf16)
        return Rows(np.concatenate([np.empty((0, self.d), self._dtype), *parts]), self._bf16)
