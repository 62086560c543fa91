"""A pool over a Parquet column of vectors, streamed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import _cpu
from ally_fast.pools.column_file import ColumnFile, check_width
from ally_fast.pools.host_pool import HostPool
from ally_fast.pools.location import Location, as_location
from ally_fast.pools.parquet_cursor import ParquetCursor
from ally_fast.pools.parquet_file import ParquetFile
from ally_fast.rows import Rows

_BATCH_BYTES = 4 << 20
_WIDTH_ROWS = 1024
_WIDTH_BYTES = 4 << 20
_UNIT_BYTES = 16 << 20
_MOST_CURSORS = 8  # one for each reader that goes through a range of its own


class ParquetPool(HostPool):
    """Serve the rows of one Parquet column, a few megabytes at a time.

    Parameters
    ----------
    location : Location or path-like
        A Parquet file.
    column : str, optional
        A column of vectors: ``name`` for lists of float16, float32, float64 or integers,
        ``name[float16]`` for bytes, ``a.b`` for a field of a struct, ``emb_*`` for one column per
        dimension. You can leave it out if only one column holds lists of numbers.

    Raises
    ------
    ImportError
        If pyarrow is not installed, or older than the first release that is safe.
    OSError
        If the file cannot be read from the disk.
    TypeError
        If the column does not hold lists of numbers.
    ValueError
        If there is no such column, or there are two. Also if the file is damaged, here or on
        reading. The message names the file, the column and the row group.

    Notes
    -----
    A row reads as NaN if it is null, holds a null, or has another length than the others. You can
    exclude such a row; otherwise it is an error that names it (`fault`). If the column's type does
    not say how long a row is, it is the most frequent length among the first 1,024 rows (at most
    4 MiB) that are neither null nor empty.

    ``read`` and ``gather`` continue where the last call ended. While rows go forward, each value is
    decoded once, and row groups without wanted rows are skipped. A step back decodes again from
    the start of the row group. Up to eight readers can go forward in ranges of their own without
    disturbing each other. You can pickle a pool; the copy opens the file again.

    A null row of a ``fixed_size_list`` needs pyarrow 26; older releases cannot decode it.
    """

    streamed = True
    open_file: Callable[..., ColumnFile] = ParquetFile

    def __init__(
        self, location: Location | str | os.PathLike[str], column: str | None = None
    ) -> None:
        self._location = as_location(location).absolute()
        self._file = self.open_file(location)
        self._name = column
        self._choice = self._file.columns.vectors(column)
        self._column = self._choice.vectors(self._file.path)
        self._column.learn(self._first_rows())
        self.n = self._file.n
        self.d = check_width(self._column.name, self._column.d)
        self.dtype_name = self._column.dtype_name
        self.itemsize = self._column.itemsize
        row_bytes = self.d * self._column.dtype.itemsize
        self._batch_rows = max(1, _BATCH_BYTES // max(1, row_bytes))
        self._cursors: list[ParquetCursor] = []  # that used last is the last one
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to open the file again."""
        return type(self), (self._location, self._name)

    def read(self, lo: int, hi: int) -> Rows:
        """Return rows ``lo`` to ``hi`` (exclusive); a row that holds no vector is NaN."""
        with self._lock:
            if lo < hi:
                start, block = self._block(lo)
                if hi <= start + len(block):
                    self._let_go(hi)
                    return Rows(block[lo - start : hi - start], self._column.bf16)
            rows = np.empty((hi - lo, self.d), self._column.dtype)
            count = 0
            while lo + count < hi:
                start, block = self._block(lo + count)
                part = block[lo + count - start : hi - start]
                rows[count : count + len(part)] = part
                count += len(part)
                self._let_go(lo + count)
        return Rows(rows, self._column.bf16)

    def gather(self, indices: NDArray[np.int64]) -> Rows:
        """Return the rows at sorted pool `indices`; a row that holds no vector is NaN."""
        rows = np.empty((len(indices), self.d), self._column.dtype)
        count = 0
        with self._lock:
            while count < len(indices):
                start, block = self._block(int(indices[count]))
                inside = indices[count : np.searchsorted(indices, start + len(block))]
                rows[count : count + len(inside)] = block[inside - start]
                count += len(inside)
                self._let_go(int(inside[-1]) + 1)
        return Rows(rows, self._column.bf16)

    def check(self) -> None:
        """Raise ValueError if rows already returned lie in the file, and it has changed."""
        self._file.check()

    def units(self, lo: int, hi: int) -> list[tuple[int, int]]:
        """Return runs of row groups, each of at least 16 MiB except the last."""
        least = max(1, _UNIT_BYTES // max(1, self.d * self.itemsize))
        bounds = [lo]
        for start in self._file.starts.tolist():
            if bounds[-1] + least <= start < hi:
                bounds.append(start)
        return list(pairwise([*bounds, hi])) if lo < hi else []

    def fault(self, row: int) -> str:
        """Say why a row cannot be used; the text names the file and the column."""
        group = self._group_of(row)
        start = self._file.rows(group).start
        with self._lock:
            for rows in self._file.batches(
                self._choice, group, self._batch_rows, self._column.width
            ):
                if row < start + len(rows):
                    return self._column.fault(row, rows.slice(row - start, 1))
                start += len(rows)
        raise IndexError(f"{self._file.path}: no row {row}")

    def _first_rows(self) -> Iterator[Any]:
        """Yield some rows at the beginning of each row group."""
        unit = self._column.unit
        for group in self._file.groups:
            declared = self._file.declared(self._choice, group) * unit
            share = _WIDTH_BYTES * len(self._file.rows(group)) // max(1, declared)
            batch_rows = max(1, min(_WIDTH_ROWS, share))
            widest = _cpu.LARGEST_D * self._column.itemsize // unit
            for rows in self._file.batches(self._choice, group, batch_rows, widest):
                yield rows
                if (self._column.lengths(rows) > 0).any():
                    break  # later rows may be huge, to fill the memory

    def _group_of(self, row: int) -> int:
        return int(np.searchsorted(self._file.starts, row, side="right")) - 1

    def _block(self, row: int) -> tuple[int, NDArray[Any]]:
        """Return the first row and the vectors of the block that holds a row."""
        near = [cursor for cursor in self._cursors if cursor.reaches(row)]
        if near:
            cursor = max(near, key=lambda cursor: cursor.start)
            self._cursors.remove(cursor)
        else:
            going_on = [cursor for cursor in self._cursors if not cursor.is_at_end]
            self._cursors = going_on[-(_MOST_CURSORS - 1) :]
            group = self._group_of(row)
            cursor = ParquetCursor(self._file, self._choice, self._column, group, self._batch_rows)
        block = cursor.block(row)  # if it fails, the cursor stays dropped
        self._cursors.append(cursor)
        return block

    def _let_go(self, stop: int) -> None:
        """Drop the last cursor if its row group ends at row `stop`."""
        if self._cursors[-1].end == stop:
            self._cursors.pop()
