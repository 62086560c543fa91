"""CSV: the table; every number reads back exactly."""

from __future__ import annotations

import json
import re
from typing import IO, Any

from ally_fast.exports.format import Format
from ally_fast.exports.table import BatchTable, Wanted

_TO_QUOTE = re.compile(r'[",\r\n]|^[\s]|[\s]$')


def _write(file: IO[bytes], table: BatchTable, wanted: Wanted, summary: dict[str, Any]) -> None:
    columns = [*table.own, *table.kept]
    file.write((",".join(map(_field, columns)) + "\n").encode())
    for row in table.rows():
        file.write((",".join(map(_field, row)) + "\n").encode())


def _field(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False)
    text = value if isinstance(value, str) else repr(value)
    return '"' + text.replace('"', '""') + '"' if _TO_QUOTE.search(text) else text


CSV = Format("csv", (".csv",), _write)
