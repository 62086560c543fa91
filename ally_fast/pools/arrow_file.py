"""An Arrow IPC file from an untrusted source."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from ally_fast._optional import require
from ally_fast.arrow_lists import without_views
from ally_fast.pools.arrow_messages import arrow_messages, read_footer
from ally_fast.pools.column_choice import ColumnChoice, ColumnChooser
from ally_fast.pools.column_file import ColumnFile
from ally_fast.pools.location import Location, as_location
from ally_fast.pools.mapped_file import MappedFile

_NOT_ONE = "not a readable Arrow file"


class ArrowFile(ColumnFile):
    """An open Arrow IPC file, in the file format (Feather) or the stream format.

    A record batch is a group. A file on a disk is memory-mapped. A record batch is copied and
    decoded as a whole if it is compressed, or if the file has dictionaries. Record batches are
    validated before use, because Arrow trusts the offsets in a file.

    Parameters
    ----------
    location : Location or path-like
        The file.

    Raises
    ------
    ImportError
        If pyarrow is not installed, or older than the first release that is safe.
    OSError
        If the file cannot be read from the disk.
    ValueError
        If the file is not an Arrow file, or is damaged; also in every method. The message names
        the file.
    """

    part = "record batch"

    def __init__(self, location: Location | str | os.PathLike[str]) -> None:
        location = as_location(location)
        self.path = location.name
        self._ipc = require("pyarrow.ipc", "parquet", f"reading {self.path}")
        self._arrow = require("pyarrow", "parquet")
        self._stream: IO[bytes] | None = None
        self._mapped: MappedFile | None = None
        with self.named(_NOT_ONE):
            size = location.size()
            if location.filesystem is not None:
                self._stream = location.open()
            elif size:
                self._map = np.memmap(location.path, np.uint8, "r")
                self._mapped = MappedFile(self._map)
            messages = list(arrow_messages(self._bytes, size))
            if [place for place, one in enumerate(messages) if one.kind == "schema"] != [0]:
                raise ValueError("it does not begin with a schema")
            self._head, *rest = messages
            self._batches_at = [one for one in rest if one.kind == "rows"]
            self._dictionaries = [one for one in rest if one.kind == "dictionary"]
            self._schema = self._ipc.read_schema(self._buffer(self._head))
            self._check_footer(size)
        self.names: list[str] = self._schema.names
        self._kinds = {field.name: without_views(field.type) for field in self._schema}
        self.columns = ColumnChooser(self.path, self.names, lambda name: self._kinds[name])
        rows = [one.rows for one in self._batches_at]
        for one in self._batches_at:
            if not one.is_packed and one.rows > 8 * (one.end - one.start):  # less than a bit each
                raise ValueError(f"{self.path}: damaged: declares {one.rows} rows in a batch")
        self.starts = np.cumsum([0, *rows], dtype=np.int64)
        if int(self.starts[-1]) != sum(rows):
            raise ValueError(f"{self.path}: damaged: declares {sum(rows)} rows")
        self._last: tuple[tuple[ColumnChoice, int], Any] | None = None

    def close(self) -> None:
        """Close the file."""
        self._last = None
        if self._stream is not None:
            self._stream.close()

    def check(self) -> None:
        """Raise ValueError if the file changed while it was read."""
        if self._mapped is not None:
            self._mapped.check()

    def declared(self, choice: ColumnChoice, group: int) -> int:
        """Return 0: record batches are already in memory, or mapped."""
        return 0

    def _batches(self, choice: ColumnChoice, group: int, batch_rows: int) -> Iterator[Any]:
        values = self._column(choice, group)
        for lo in range(0, len(values), batch_rows):
            self.check()
            yield values.slice(lo, batch_rows)

    def _column(self, choice: ColumnChoice, group: int) -> Any:
        """Return a column of a record batch; the last column is cached."""
        self.check()
        if self._last is None or self._last[0] != (choice, group):
            self._last = None
            with self.named(self.place(choice, group)):
                batch = self._record_batch({path[0] for path in choice.paths}, group)
                batch.validate(full=True)
                values = choice.of(batch)
                if len(values) != len(self.rows(group)):
                    raise ValueError(
                        f"declares {len(self.rows(group))} rows and holds {len(values)}"
                    )
                if values.type != choice.kind:
                    values = values.cast(choice.kind)
            self._last = (choice, group), values
        return self._last[1]

    def _record_batch(self, names: set[str], group: int) -> Any:
        """Return the named columns of a record batch."""
        message = self._batches_at[group]
        before = [one for one in self._dictionaries if one.end <= message.start]
        if not (self._dictionaries or message.is_packed):
            batch = self._ipc.read_record_batch(self._buffer(message), self._schema)
            return batch.select([name for name in self.names if name in names])
        parts = (self._head, *before, message)
        for one in parts:
            one.check_packed(self._bytes)
        content = self._arrow.py_buffer(b"".join(self._bytes(one.start, one.end) for one in parts))
        numbers = [place for place, name in enumerate(self.names) if name in names]
        options = self._ipc.IpcReadOptions(included_fields=numbers)
        with self._ipc.open_stream(content, options=options) as stream:
            return stream.read_next_batch()

    def _check_footer(self, size: int) -> None:
        """Raise ValueError if the file format's footer lists other columns or record batches."""
        if self._head.start:
            source = self._stream or self._arrow.py_buffer(self._map)
            with self._ipc.open_file(source) as file:
                if file.schema != self._schema:
                    raise ValueError("its footer describes other columns than it holds")
            extents = [(one.start, one.end) for one in self._batches_at]
            if read_footer(self._bytes, size) != (self._head.is_big_endian, extents):
                raise ValueError("its footer lists other record batches than it holds")

    def _bytes(self, start: int, end: int) -> bytes:
        if self._stream is None:
            return self._map[start:end].tobytes() if end > start else b""
        self._stream.seek(start)
        content = self._stream.read(end - start)
        if len(content) != end - start:
            raise ValueError("it is cut off")
        return content

    def _buffer(self, message: Any) -> Any:
        if self._stream is None:
            return self._arrow.py_buffer(self._map[message.start : message.end])
        return self._arrow.py_buffer(self._bytes(message.start, message.end))
