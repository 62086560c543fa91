"""A file of plain lines as a shard with one column, such as a list of ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.pools.file_shard import FileShard
from ally_fast.pools.names import quoted
from ally_fast.pools.row_count import check_rows
from ally_fast.pools.text_column import TextColumn

_LONGEST_LINE = 1 << 20
_PART_ROWS = 1 << 16


class LinesShard(FileShard):
    """A file of UTF-8 text with one value on every line."""

    form = "plain text"

    def column(self, column: str | None = None) -> TextColumn:
        """Return the lines."""
        if column is not None:
            raise ValueError(f"{self.name}: a file of plain lines has no column {quoted(column)}")
        return TextColumn(self.name, self._parts, self._numbers, untyped=True)

    def _numbers(
        self, *, n: int | None = None, most: int | None = None, allow_null: bool = False
    ) -> NDArray[Any]:
        """Return the lines as integers: such files list indices and ids."""
        numbers: list[int] = []
        limit = n if n is not None else most
        for number, text in self._lines():
            try:
                numbers.append(int(text) if text.isascii() and "_" not in text else int(""))
            except ValueError:
                raise ValueError(
                    f"{self.name}: line {number}: {quoted(text)} is not an integer"
                ) from None
            if limit is not None and len(numbers) > limit:
                raise ValueError(f"{self.name}: holds more than {limit} lines")
        try:
            check_rows(len(numbers), n, most)
            return np.array(numbers, np.int64)
        except OverflowError:
            raise ValueError(f"{self.name}: holds an integer that is too large") from None
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None

    def _parts(self) -> Iterator[list[str]]:
        part = []
        for _, text in self._lines():
            part.append(text)
            if len(part) == _PART_ROWS:
                yield part
                part = []
        yield part

    def _lines(self) -> Iterator[tuple[int, str]]:
        """Yield (number from 1, line without its end); blank lines at the end are left out."""
        with self._location.open() as file:
            number, blank = 0, 0
            while line := file.readline(_LONGEST_LINE):
                number += 1
                try:
                    text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                except UnicodeDecodeError:
                    raise ValueError(f"{self.name}: line {number} is not UTF-8") from None
                if not text:
                    blank = blank or number
                    continue
                if blank:
                    raise ValueError(f"{self.name}: line {blank} is blank, but more lines follow")
                if "\0" in text or len(line) == _LONGEST_LINE:
                    raise ValueError(f"{self.name}: line {number} is too long, or holds a NUL")
                yield number, text
