"""A pool over a Parquet column of vectors, streamed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.arrays import NUMPY
from ally_fast.pools.pool import Rows, computable

_NUMPY_NAMES = {"halffloat": "float16", "float": "float32", "double": "float64"}
_BATCH_BYTES = 4 << 20
_BUFFER_BYTES = 1 << 20  # without it the reader holds a row group's whole column chunk


def open_parquet(path: str) -> Any:
    """Open a Parquet file for streaming."""
    parquet = require("pyarrow.parquet", "parquet", f"reading {path}")
    try:
        return parquet.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES)
    except (ValueError, NotImplementedError) as error:  # the bases of pyarrow's own errors
        raise ValueError(f"{path}: not a readable Parquet file: {error}") from error


def missing(key: str | None, names: Sequence[str], what: str) -> str:
    """Say which name is missing from a file, or missing from the request, and what there is."""
    listed = ", ".join(repr(name) for name in names) or "none"
    request = f"no {what} {key!r}" if key is not None else f"name its {what} (file:{what})"
    return f"{request}; it has {listed}"


class ParquetPool:
    """Rows of one Parquet column, read a few megabytes at a time.

    Parameters
    ----------
    path : path-like
        A Parquet file.
    column : str, optional
        A column of ``fixed_size_list`` or ``list`` of float16, float32, float64 or integers.
        May be left out if it is the only one of that kind.

    Raises
    ------
    ImportError
        If pyarrow is not installed.
    TypeError
        If the column does not hold lists of numbers.
    ValueError
        If there is no such column; on reading, if a row is null, holds a null or has another
        length than the first: the message names the first such row.

    Notes
    -----
    ``read`` continues where the last call ended, so a pass in order decodes each value once;
    going back starts again at the row group. ``gather`` decodes only row groups it needs.
    """

    def __init__(self, path: str | os.PathLike[str], column: str | None = None) -> None:
        self._path = os.fspath(path)
        self._file = open_parquet(self._path)
        self._types = require("pyarrow.types", "parquet")
        self._column = self._choose_column(column)
        groups = self._file.metadata.num_row_groups
        sizes = [self._file.metadata.row_group(group).num_rows for group in range(groups)]
        self._starts = np.cumsum([0, *sizes], dtype=np.int64)
        element_name = str(self._file.schema_arrow.field(self._column).type.value_type)
        element = np.dtype(_NUMPY_NAMES.get(element_name, element_name))
        self.family = NUMPY
        self.n = int(self._starts[-1])
        self.dtype_name = element.name
        self.itemsize = element.itemsize
        self._element = element
        self._lock = threading.Lock()
        self.d = self._first_length()
        self._batch_rows = max(1, _BATCH_BYTES // max(1, self.d * self.itemsize))
        self._rewind(0)

    def read(self, lo: int, hi: int) -> Rows:
        """Return rows ``lo`` to ``hi`` (exclusive)."""
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
        return computable(self._joined(parts), bf16=False)

    def gather(self, indices: NDArray[np.int64]) -> Rows:
        """Return the rows at sorted pool `indices`."""
        parts = []
        groups = np.unique(np.searchsorted(self._starts, indices, side="right") - 1)
        with self._lock:
            for start, block in self._decoded([int(group) for group in groups]):
                lo, hi = np.searchsorted(indices, [start, start + len(block)])
                parts.append(block[indices[lo:hi] - start])
        return computable(self._joined(parts), bf16=False)

    def _choose_column(self, column: str | None) -> str:
        types = self._types
        schema = self._file.schema_arrow
        lists = {
            field.name
            for field in schema
            if types.is_list(field.type)
            or types.is_large_list(field.type)
            or types.is_fixed_size_list(field.type)
        }
        if column is None:
            if len(lists) != 1:
                raise ValueError(f"{self._path}: {missing(None, schema.names, 'column')}")
            (column,) = lists
        if column not in schema.names:
            raise ValueError(f"{self._path}: {missing(column, schema.names, 'column')}")
        kind = schema.field(column).type
        if column not in lists or not (
            types.is_floating(kind.value_type) or types.is_integer(kind.value_type)
        ):
            raise TypeError(
                f"{self._path}: column {column!r} must hold lists of numbers; it holds {kind}"
            )
        return column

    def _first_length(self) -> int:
        kind = self._file.schema_arrow.field(self._column).type
        if self._types.is_fixed_size_list(kind):
            return int(kind.list_size)
        for batch in self._file.iter_batches(1, columns=[self._column], use_threads=False):
            first = batch.column(0)[0].as_py()
            if first is None:
                raise ValueError(f"{self._path}: column {self._column!r}: row 0 is null")
            return len(first)
        return 0

    def _group_of(self, row: int) -> int:
        return int(np.searchsorted(self._starts, row, side="right")) - 1

    def _rewind(self, group: int) -> None:
        self._blocks = self._decoded(range(group, len(self._starts) - 1))
        self._block_start = int(self._starts[group])
        self._block = np.empty((0, self.d), self._element)

    def _advance(self) -> None:
        try:
            self._block_start, self._block = next(self._blocks)
        except ValueError:  # a bad row ends the iterator: the next call starts afresh
            self._rewind(0)
            raise

    def _decoded(self, groups: range | list[int]) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield (first row, rows) of the row groups, in order, in blocks of bounded size."""
        for group in groups:
            start = int(self._starts[group])
            batches = self._file.iter_batches(
                self._batch_rows, row_groups=[group], columns=[self._column]
            )
            while (batch := self._next_batch(batches, start)) is not None:
                block = self._to_matrix(batch.column(0), start)
                yield start, block
                start += len(block)

    def _next_batch(self, batches: Iterator[Any], start: int) -> Any | None:
        try:
            return next(batches, None)
        except (ValueError, NotImplementedError) as error:  # the bases of pyarrow's own errors
            raise ValueError(
                f"{self._path}: column {self._column!r} cannot be read at row {start} or soon "
                f"after: {error}"
            ) from error

    def _to_matrix(self, rows: Any, start: int) -> NDArray[Any]:
        if rows.null_count:
            bad = rows.is_null().to_numpy(zero_copy_only=False).argmax()
            raise ValueError(f"{self._path}: column {self._column!r}: row {start + bad} is null")
        if not self._types.is_fixed_size_list(rows.type):
            lengths = np.diff(rows.offsets.to_numpy())
            if (lengths != self.d).any():
                bad = (lengths != self.d).argmax()
                raise ValueError(
                    f"{self._path}: column {self._column!r}: row {start + bad} has "
                    f"{lengths[bad]} values, row 0 has {self.d}"
                )
        values = rows.flatten()
        if values.null_count:
            bad = values.is_null().to_numpy(zero_copy_only=False).argmax() // self.d
            raise ValueError(
                f"{self._path}: column {self._column!r}: row {start + bad} holds a null"
            )
        matrix: NDArray[Any] = values.to_numpy().reshape(len(rows), self.d)
        return matrix

    def _joined(self, parts: list[NDArray[Any]]) -> NDArray[Any]:
        if len(parts) == 1:
            return parts[0]
        return np.concatenate([np.empty((0, self.d), self._element), *parts])
