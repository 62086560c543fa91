"""Plain text: one id per line, or one index if rows have no ids."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import IO, Any

from ally_fast.exports.format import Format
from ally_fast.exports.table import BatchTable, Wanted


def write_lines(file: IO[bytes], what: str, values: Iterable[Any]) -> None:
    """Write one value per line.

    Raises
    ------
    ValueError
        If a value would not read back.
    """
    for value in values:
        text = str(value)
        if not text or re.search("[\n\r\0]", text) or text[0] == "\ufeff":
            raise ValueError(f"{what} does not fit on one line: {text[:40]!r}; write .csv")
        file.write(text.encode() + b"\n")


def _write(file: IO[bytes], table: BatchTable, wanted: Wanted, summary: dict[str, Any]) -> None:
    write_lines(file, "an id", table.own.get("id", table.own["index"]).tolist())


LINES = Format("ids", (".txt",), _write, content="ids")
