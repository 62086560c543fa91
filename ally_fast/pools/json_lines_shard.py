"""A file of JSON lines as a shard; it has columns but no vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from ally_fast.json_object import parse_object
from ally_fast.pools.file_shard import FileShard
from ally_fast.pools.json_file import number_array
from ally_fast.pools.names import missing, quoted
from ally_fast.pools.row_count import check_rows
from ally_fast.pools.text_column import TextColumn

_LONGEST_LINE = 1 << 24
_PART_ROWS = 1 << 16


class JsonLinesShard(FileShard):
    """A file with a JSON object on every line."""

    form = "JSON lines"

    @property
    def names(self) -> Sequence[str]:
        """The names on line 1."""
        for _, row in self._rows():
            return list(row)
        return ()

    def column(self, column: str | None = None) -> TextColumn:
        """Return a column; every line must have it."""
        name = f"{self.name}: {quoted(column)}" if column else self.name

        def values() -> Iterator[list[Any]]:
            part = []
            for value in self._values(column):
                part.append(value)
                if len(part) == _PART_ROWS:
                    yield part
                    part = []
            yield part

        def numbers(
            *, n: int | None = None, most: int | None = None, allow_null: bool = False
        ) -> NDArray[Any]:
            read = list(self._values(column))
            try:
                check_rows(len(read), n, most)
                return number_array(column or "", read, allow_null)
            except ValueError as error:
                raise ValueError(f"{self.name}: {error}") from None

        return TextColumn(name, values, numbers)

    def _values(self, column: str | None) -> Iterator[Any]:
        for number, row in self._rows():
            if column is None and len(row) == 1:
                (column,) = row
            if column is None or column not in row:
                absent = missing(column, list(row), "column")
                raise ValueError(f"{self.name}: line {number}: {absent}")
            yield row[column]

    def _rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the lines, numbered from 1, without blank lines at the end."""
        with self._location.open() as file:
            number, blank = 0, 0
            while line := file.readline(_LONGEST_LINE):
                number += 1
                if not line.strip():
                    blank = blank or number
                    continue
                if blank:
                    raise ValueError(f"{self.name}: line {blank} is blank, but more lines follow")
                if len(line) == _LONGEST_LINE:
                    raise ValueError(f"{self.name}: line {number} is too long")
                try:
                    row = parse_object(line)
                except ValueError as error:
                    raise ValueError(f"{self.name}: line {number}: {error}") from None
                yield number, row
