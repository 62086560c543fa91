"""A Parquet file that nobody vouches for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ally_fast import _cpu
from ally_fast._optional import require
from ally_fast.arrow_lists import is_bytes, undressed, without_views
from ally_fast.pools.column_choice import ColumnChoice, ColumnChooser
from ally_fast.pools.location import Location, as_location
from ally_fast.pools.names import quoted
from ally_fast.vector_column import VectorColumn

_BUFFER_BYTES = 1 << 20  # without it the reader holds a row group's whole column chunk
_REASON_CHARACTERS = 120
_SPARE_VALUES = 4 << 20  # that a row group may declare beside twice those of its rows


class ParquetFile:
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
    names : list of str
        Its columns.
    columns : ColumnChooser
        Finds what a caller names.

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
            self._schema = self._file.schema_arrow
            self.names: list[str] = self._schema.names
            rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
            declared = metadata.num_rows
        if min(rows, default=0) < 0 or sum(rows) != declared:
            raise ValueError(
                f"{self.path}: damaged: declares {declared} rows, its row groups {sum(rows)}"
            )
        self.starts = np.cumsum([0, *rows], dtype=np.int64)
        self.columns = ColumnChooser(self.path, self.names, lambda name: self._kinds[name])
        self._kinds = {field.name: without_views(field.type) for field in self._schema}
        self._values: dict[tuple[ColumnChoice, int], int] = {}

    @property
    def n(self) -> int:
        """Number of rows, as declared."""
        return int(self.starts[-1])

    @property
    def groups(self) -> range:
        """The row groups."""
        return range(len(self.starts) - 1)

    def rows(self, group: int) -> range:
        """Return the rows of a row group."""
        return range(int(self.starts[group]), int(self.starts[group + 1]))

    def close(self) -> None:
        """Close the file."""
        self._file.close(force=True)

    @contextmanager
    def named(self, what: str) -> Iterator[None]:
        """Add the file and the place to whatever pyarrow raises."""
        try:
            yield
        except OSError as error:
            if error.errno:
                raise OSError(error.errno, os.strerror(error.errno), self.path) from error
            raise ValueError(f"{self.path}: {what}: {_reason(error)}") from error
        except MemoryError as error:
            raise MemoryError(f"{self.path}: {what}: {_reason(error)}") from error
        except Exception as error:  # of some twenty classes, by what is damaged
            raise ValueError(f"{self.path}: {what}: {_reason(error)}") from error

    def declared(self, choice: ColumnChoice, group: int) -> int:
        """Return how many values a row group of lists declares; of bytes, how many bytes.

        A null counts as one. Its first row is decoded before: pyarrow ends the process where it is
        asked about a column that is damaged in the file's footer, but not where it reads one.
        """
        if not self.rows(group):
            return 0
        if (choice, group) not in self._values:
            for _ in self._batches(choice, group, 1):
                break
            with self.named(_place(choice, group)):
                chunk = self._file.metadata.row_group(group).column(self._leaf(choice.paths[0]))
                declared = int(chunk.num_values)
                if is_bytes(undressed(choice.kind)):  # each stands behind four that tell its length
                    declared = max(0, int(chunk.total_uncompressed_size) - 4 * declared)
                self._values[choice, group] = declared
        return self._values[choice, group]

    def batches(
        self, choice: ColumnChoice, group: int, batch_rows: int, width: int | None = None
    ) -> Iterator[Any]:
        """Yield one row group of a column as Arrow arrays of at most `batch_rows` rows.

        Parameters
        ----------
        choice : ColumnChoice
            From `columns`.
        group : int
            The row group.
        batch_rows : int
            Rows to decode at once.
        width : int, optional
            Values, or bytes, in a row that may differ in their number: a row group that declares
            far more is refused.

        Raises
        ------
        MemoryError, OSError, ValueError
            If the row group cannot be decoded, or holds another number of rows than declared.
        """
        declared = len(self.rows(group))
        if width is not None and not choice.is_pattern:
            values = self.declared(choice, group)
            if values > 2 * declared * width + _SPARE_VALUES:
                raise ValueError(
                    f"{self.path}: {_place(choice, group)}: declares {values} values for "
                    f"{declared} rows of {width}"
                )
        held = 0
        for part in self._batches(choice, group, batch_rows):
            held += len(part)
            if held <= declared:
                yield part
        if held != declared:
            raise ValueError(
                f"{self.path}: {_place(choice, group)}: declares {declared} rows and holds {held}"
            )

    def _batches(self, choice: ColumnChoice, group: int, batch_rows: int) -> Iterator[Any]:
        columns = [".".join(path) for path in choice.paths]
        with self.named(_place(choice, group)):
            batches = self._file.iter_batches(batch_rows, row_groups=[group], columns=columns)
        while True:
            with self.named(_place(choice, group)):
                batch = next(batches, None)
                if batch is None:
                    return
                part = choice.of(batch)
                if part.type != choice.kind:
                    part = part.cast(choice.kind)
            yield part

    def _leaf(self, path: tuple[str, ...]) -> int:
        """Return the place of a column's values among all that are stored: those before it."""
        place, fields = 0, list(self._schema)
        for name in path:
            for field in fields:
                if field.name == name:
                    break
                place += _leaves(field.type)
            fields = [field.type.field(i) for i in range(field.type.num_fields)]
        return place


def check_width(column: VectorColumn) -> int:
    """Return the number of values in a row, if rows so wide can be computed on."""
    if column.d > _cpu.LARGEST_D:
        raise ValueError(
            f"{column.name} holds {column.d} values in a row, needs at most {_cpu.LARGEST_D}"
        )
    return column.d


def _leaves(kind: Any) -> int:
    """Return how many columns of values a column of some type is stored in."""
    kind = undressed(kind)
    inner = [kind.field(i).type for i in range(kind.num_fields)]
    return sum(map(_leaves, inner)) if inner else 1


def _place(choice: ColumnChoice, group: int) -> str:
    return f"column {quoted(choice.name)}: row group {group}"


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _REASON_CHARACTERS else f"{text[:_REASON_CHARACTERS]}..."
