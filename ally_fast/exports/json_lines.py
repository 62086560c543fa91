"""JSON lines: an object for each pick."""

from __future__ import annotations

from typing import IO, Any

from ally_fast.exports.format import Format
from ally_fast.exports.plain import json_line
from ally_fast.exports.table import BatchTable, Wanted


def _write(file: IO[bytes], table: BatchTable, wanted: Wanted, summary: dict[str, Any]) -> None:
    names = [*table.own, *table.kept]
    for row in table.rows():
        file.write(json_line(dict(zip(names, row, strict=True))))


JSON_LINES = Format("jsonl", (".jsonl",), _write)
