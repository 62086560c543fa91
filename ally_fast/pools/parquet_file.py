"""A Parquet file that nobody vouches for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from ally_fast._optional import require
from ally_fast.pools.column_file import ColumnFile
from ally_fast.pools.location import Location, as_location

_BUFFER_BYTES = 1 << 20  # without it the reader holds a row group's whole column chunk


class ParquetFile(ColumnFile):
    """An open Parquet file, read a row group of a column at a time.

    Page checksums are verified where the file holds them. What the file declares is compared with
    what was asked for before anything is decoded, and with what came afterwards.

    Parameters
    ----------
    location : Location or path-like
        The file.

    Attributes
    ----------
    path : str
        The file's path or URL, for messages.
    starts : ndarray of int64, shape (groups + 1,)
        The first row of each row group, and the number of rows.
    schema : pyarrow.Schema
        Its columns.

    Raises
    ------
    ImportError
        If pyarrow is not installed, or older than the first release that is safe.
    OSError
        If the file cannot be read from the disk.
    ValueError
        If it is no Parquet file, or a damaged one: here and in every method, with the file's name.
    """

    def __init__(self, location: Location | str | os.PathLike[str]) -> None:
        location = as_location(location)
        self.path = location.name
        parquet = require("pyarrow.parquet", "parquet", f"reading {self.path}")
        with self.named("not a readable Parquet file"):
            self._file = parquet.ParquetFile(
                location.path if location.filesystem is None else location.open(),
                pre_buffer=False,
                buffer_size=_BUFFER_BYTES,
                page_checksum_verification=True,
            )
            metadata = self._file.metadata
            self.schema = self._file.schema_arrow
            self.names: list[str] = self.schema.names
            self._paths = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
            rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
            declared = metadata.num_rows
        if min(rows, default=0) < 0 or sum(rows) != declared:
            raise ValueError(
                f"{self.path}: damaged: declares {declared} rows, its row groups {sum(rows)}"
            )
        self.starts = np.cumsum([0, *rows], dtype=np.int64)
        self._leaves: dict[str, int] = {}
        self._values: dict[tuple[str, int], int] = {}

    def close(self) -> None:
        """Close the file."""
        self._file.close(force=True)

    def values_declared(self, column: str, group: int) -> int:
        """Return how many values a row group of a column of lists declares; a null counts as one.

        Its first row is decoded before: pyarrow ends the process where it is asked about a column
        that is damaged in the file's footer, but not where it reads one.
        """
        if not self.rows(group):
            return 0
        if (column, group) not in self._values:
            for _ in self._batches(column, group, 1):
                break
            with self.named(self.place(column, group)):
                chunk = self._file.metadata.row_group(group).column(self._leaf(column))
                self._values[column, group] = int(chunk.num_values)
        return self._values[column, group]

    def _batches(self, column: str, group: int, batch_rows: int) -> Iterator[Any]:
        with self.named(self.place(column, group)):
            batches = self._file.iter_batches(batch_rows, row_groups=[group], columns=[column])
        while True:
            with self.named(self.place(column, group)):
                batch = next(batches, None)
                if batch is None:
                    return
                part = batch.column(column)
            yield part

    def _leaf(self, column: str) -> int:
        """Return the place of a list column's values among all that are stored.

        Its path begins with the column's name and a dot; so may that of a column with a dot in its
        name.
        """
        if column not in self._leaves:
            inside = f"{column}."
            others = [field for field in self.schema if field.name.startswith(inside)]
            names = {field.name for field in others if not field.type.num_fields}
            prefixes = tuple(f"{field.name}." for field in others if field.type.num_fields)
            found = [
                place
                for place, path in enumerate(self._paths)
                if path.startswith(inside) and path not in names and not path.startswith(prefixes)
            ]
            if len(found) != 1:
                raise ValueError(f"{len(found)} columns of values are stored for it")
            self._leaves[column] = found[0]
        return self._leaves[column]
