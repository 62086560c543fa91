"""A Parquet file from an untrusted source."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from ally_fast._optional import require
from ally_fast.arrow_lists import is_bytes, is_text, undressed, without_views
from ally_fast.pools.column_choice import ColumnChoice, ColumnChooser
from ally_fast.pools.column_file import ColumnFile
from ally_fast.pools.location import Location, as_location

_BUFFER_BYTES = 1 << 20  # without it the reader holds a row group's whole column chunk
_REASON_CHARACTERS = 120
_SPARE_VALUES = 4 << 20  # a row group may declare twice the values of its rows, and so many more


class ParquetFile(ColumnFile):
    """An open Parquet file, read a row group of a column at a time.

    Page checksums are verified if the file holds them. What the file declares is compared with the
    request before anything is decoded, and with the decoded values afterwards.

    Parameters
    ----------
    location : Location or path-like
        The file.

    Attributes
    ----------
    path : str
        The file's path or URL, for messages.
    starts : ndarray of int64, shape (groups + 1,)
        The first row of each row group, then the number of rows.
    names : list of str
        The names of its columns.
    columns : ColumnChooser
        Finds a column by the name that a user writes.

    Raises
    ------
    ImportError
        If pyarrow is not installed, or older than the first release that is safe.
    OSError
        If the file cannot be read from the disk.
    ValueError
        If the file is not a Parquet file, or is damaged; also in every method. The message names
        the file.
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
            self._schema = self._file.schema_arrow
            self.names: list[str] = self._schema.names
            rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
            declared = metadata.num_rows
        if min(rows, default=0) < 0 or sum(rows) != declared:
            raise ValueError(
                f"{self.path}: damaged: declares {declared} rows, but its row groups {sum(rows)}"
            )
        self.starts = np.cumsum([0, *rows], dtype=np.int64)
        self.columns = ColumnChooser(self.path, self.names, lambda name: self._kinds[name])
        self._kinds = {field.name: without_views(field.type) for field in self._schema}
        self._values: dict[tuple[ColumnChoice, int], int] = {}

    def close(self) -> None:
        """Close the file."""
        self._file.close(force=True)

    def declared(self, choice: ColumnChoice, group: int) -> int:
        """Return how many values a row group of lists declares, or how many bytes one of bytes.

        A null counts as one. The first row is decoded before, because pyarrow ends the process if
        you ask about a column that is damaged in the file's footer, but not if you read it.
        """
        if not self.rows(group):
            return 0
        if (choice, group) not in self._values:
            for _ in self._batches(choice, group, 1):
                break
            with self.named(self.place(choice, group)):
                chunk = self._file.metadata.row_group(group).column(self._leaf(choice.paths[0]))
                declared = int(chunk.num_values)
                if is_bytes(undressed(choice.kind)):  # four bytes before each value hold its length
                    declared = max(0, int(chunk.total_uncompressed_size) - 4 * declared)
                self._values[choice, group] = declared
        return self._values[choice, group]

    def _batches(self, choice: ColumnChoice, group: int, batch_rows: int) -> Iterator[Any]:
        columns = [".".join(path) for path in choice.paths]
        with self.named(self.place(choice, group)):
            batches = self._file.iter_batches(batch_rows, row_groups=[group], columns=columns)
        while True:
            with self.named(self.place(choice, group)):
                batch = next(batches, None)
                if batch is None:
                    return
                part = choice.of(batch)
                if part.type != choice.kind:
                    part = part.cast(choice.kind)
                if is_text(undressed(part.type)):
                    part.validate(full=True)  # that texts are UTF-8
            yield part

    def _leaf(self, path: tuple[str, ...]) -> int:
        """Return the number of stored columns of values before those of a column."""
        place, fields = 0, list(self._schema)
        for name in path:
            for field in fields:
                if field.name == name:
                    break
                place += _leaves(field.type)
            fields = [field.type.field(i) for i in range(field.type.num_fields)]
        return place


def _leaves(kind: Any) -> int:
    """Return how many stored columns of values a column of some type has."""
    kind = undressed(kind)
    inner = [kind.field(i).type for i in range(kind.num_fields)]
    return sum(map(_leaves, inner)) if inner else 1
