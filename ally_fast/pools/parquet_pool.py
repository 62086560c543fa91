"""A pool over a Parquet column of vectors, streamed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import _cpu
from ally_fast._optional import require
from ally_fast.pools.column_file import ColumnFile, check_width
from ally_fast.pools.host_pool import HostPool
from ally_fast.pools.location import Location, as_location
from ally_fast.pools.names import quoted
from ally_fast.pools.parquet_file import ParquetFile
from ally_fast.pools.pool import computable
from ally_fast.rows import Rows

_NUMPY_NAMES = {"halffloat": "float16", "float": "float32", "double": "float64"}
_BATCH_BYTES = 4 << 20
_WIDTH_ROWS = 1024
_WIDTH_BYTES = 4 << 20


class ParquetPool(HostPool):
    """Rows of one Parquet column, read a few megabytes at a time.

    Parameters
    ----------
    location : Location or path-like
        A Parquet file.
    column : str, optional
        A column of ``fixed_size_list`` or ``list`` of float16, float32, float64 or integers.
        May be left out if it is the only one of that kind.

    Raises
    ------
    ImportError
        If pyarrow is not installed, or older than the first release that is safe.
    OSError
        If the file cannot be read from the disk.
    TypeError
        If the column does not hold lists of numbers.
    ValueError
        If there is no such column, or two; here and on reading, if the file is damaged. The
        message names the file, and the column and row group.

    Notes
    -----
    A row that is null, holds a null, or has another length than the others reads as NaN: it does
    no harm where it is excluded, and is refused by name (`fault`) where it is not. The length of a
    row, unless the column's type tells, is that of most of the first 1,024 rows (at most 4 MiB)
    that are neither null nor empty.

    ``read`` continues where the last call ended, so a pass in order decodes each value once;
    going back starts again at the row group. ``gather`` decodes only row groups it needs.
    A pool can be pickled: the copy opens the file again.

    A null row of a ``fixed_size_list`` needs pyarrow 26; older releases cannot decode it.
    """

    open_file: type[ColumnFile] = ParquetFile

    def __init__(
        self, location: Location | str | os.PathLike[str], column: str | None = None
    ) -> None:
        self._location = as_location(location).absolute()
        self._file = self.open_file(location)
        require("pyarrow.compute", "parquet")
        self._arrow = require("pyarrow", "parquet")
        self._column = self._choose_column(column)
        element_name = str(self._file.kind(self._column).value_type)
        element = np.dtype(_NUMPY_NAMES.get(element_name, element_name))
        self.n = self._file.n
        self.dtype_name = element.name
        self.itemsize = element.itemsize
        self._dtype = computable(np.empty(0, element), bf16=False).array.dtype
        self._lock = threading.Lock()
        self.d = check_width(self._file.path, self._column, self._width())
        self._batch_rows = max(1, _BATCH_BYTES // max(1, self.d * self._dtype.itemsize))
        self._rewind(0)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what opens the file again."""
        return type(self), (self._location, self._column)

    def read(self, lo: int, hi: int) -> Rows:
        """Return rows ``lo`` to ``hi`` (exclusive); NaN for those that hold no vector."""
        parts = []
        with self._lock:
            group = self._group_of(lo)
            if lo < self._block_start or group > self._group_of(self._block_start):
                self._rewind(group)
            while lo < hi:
                while lo >= self._block_start + len(self._block):
                    self._advance()
                part = self._block[lo - self._block_start : hi - self._block_start]
                parts.append(part)
                lo += len(part)
        return self._joined(parts)

    def gather(self, indices: NDArray[np.int64]) -> Rows:
        """Return the rows at sorted pool `indices`; NaN for those that hold no vector."""
        parts = []
        groups = np.unique(np.searchsorted(self._file.starts, indices, side="right") - 1)
        with self._lock:
            for start, block in self._decoded([int(group) for group in groups]):
                lo, hi = np.searchsorted(indices, [start, start + len(block)])
                parts.append(block[indices[lo:hi] - start])
        return self._joined(parts)

    def check(self) -> None:
        """Raise ValueError if rows handed out lie in the file, and it has changed."""
        self._file.check()

    def fault(self, row: int) -> str:
        """Say why a row cannot be used, with the names of the file and the column."""
        group = self._group_of(row)
        start = int(self._file.starts[group])
        what = "holds NaN or infinite values"
        with self._lock:
            for rows in self._file.batches(self._column, group, self._batch_rows, self.d):
                if row < start + len(rows):
                    one = rows.slice(row - start, 1)
                    (length,) = self._lengths(one)
                    if one.null_count:
                        what = "is null"
                    elif length != self.d:
                        what = f"has {length} values, needs {self.d} as the other rows"
                    elif one.flatten().null_count:
                        what = "holds a null"
                    break
                start += len(rows)
        return f"{self._file.path}: column {quoted(self._column)}: row {row} {what}"

    def _choose_column(self, column: str | None) -> str:
        types = self._arrow.types
        lists = [
            field.name
            for field in self._file.schema
            if types.is_list(field.type)
            or types.is_large_list(field.type)
            or types.is_fixed_size_list(field.type)
        ]
        column = self._file.choose(column, lists)
        kind = self._file.kind(column)
        if column not in lists or not (
            types.is_floating(kind.value_type) or types.is_integer(kind.value_type)
        ):
            raise TypeError(
                f"{self._file.path}: column {quoted(column)} must hold lists of numbers; it holds "
                f"{str(kind)[:80]}"
            )
        return column

    def _width(self) -> int:
        """Return the length of the rows: declared, or that of most of the first that have any."""
        kind = self._file.kind(self._column)
        if hasattr(kind, "list_size"):
            return int(kind.list_size)
        seen = np.empty(0, np.int64)
        for lengths in self._first_lengths():
            seen = np.concatenate([seen, lengths[lengths > 0]])
            if len(seen) >= _WIDTH_ROWS or seen.sum() * self._dtype.itemsize >= _WIDTH_BYTES:
                break
        widths, first, counts = np.unique(seen, return_index=True, return_counts=True)
        order = np.lexsort((first, -counts))
        return int(widths[order[0]]) if len(order) else 0

    def _first_lengths(self) -> Iterator[NDArray[np.int64]]:
        """Yield the lengths of some rows at the beginning of each row group."""
        for group in self._file.groups:
            declared = self._file.values_declared(self._column, group) * self._dtype.itemsize
            share = _WIDTH_BYTES * len(self._file.rows(group)) // max(1, declared)
            batch_rows = max(1, min(_WIDTH_ROWS, share))
            for rows in self._file.batches(self._column, group, batch_rows, _cpu.LARGEST_D):
                lengths = self._lengths(rows)
                yield lengths
                if (lengths > 0).any():  # the others may be giants, put there to fill the memory
                    break

    def _lengths(self, rows: Any) -> NDArray[np.int64]:
        """Return the number of values of each row, -1 for null."""
        lengths = self._arrow.compute.list_value_length(rows).fill_null(-1)
        return np.asarray(lengths.to_numpy(zero_copy_only=False), np.int64)

    def _group_of(self, row: int) -> int:
        return int(np.searchsorted(self._file.starts, row, side="right")) - 1

    def _rewind(self, group: int) -> None:
        self._blocks = self._decoded(self._file.groups[group:])
        self._block_start = int(self._file.starts[group])
        self._block = np.empty((0, self.d), self._dtype)

    def _advance(self) -> None:
        try:
            self._block_start, self._block = next(self._blocks)
        except BaseException:  # it ends the iterator: the next call starts afresh
            self._rewind(0)
            raise

    def _decoded(self, groups: Iterable[int]) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield (first row, rows) of the row groups, in order, in blocks of bounded size."""
        for group in groups:
            start = int(self._file.starts[group])
            for rows in self._file.batches(self._column, group, self._batch_rows, self.d):
                yield start, self._to_matrix(rows)
                start += len(rows)

    def _to_matrix(self, rows: Any) -> NDArray[Any]:
        """Return rows as floats that can be computed on, NaN where there is no vector."""
        good = self._lengths(rows) == self.d
        kept = rows if good.all() else rows.filter(self._arrow.array(good))
        values = kept.flatten().to_numpy(zero_copy_only=False)  # a null within comes as NaN
        vectors = values.reshape(len(kept), self.d).astype(self._dtype, copy=False)
        vectors = np.require(vectors, requirements="A")  # a file may place them anywhere
        if kept is rows:
            return np.asarray(vectors)
        matrix = np.full((len(rows), self.d), np.nan, self._dtype)
        matrix[good] = vectors
        return matrix

    def _joined(self, parts: list[NDArray[Any]]) -> Rows:
        if len(parts) == 1:
            return Rows(parts[0], bf16=False)
        return Rows(np.concatenate([np.empty((0, self.d), self._dtype), *parts]), bf16=False)
