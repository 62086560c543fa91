"""Plain JSON: the indices, the other columns, and the summary."""

from __future__ import annotations

from typing import IO, Any

from ally_fast.exports.format import Format, check_names, no_data_column
from ally_fast.exports.plain import json_line
from ally_fast.exports.table import BatchTable, Wanted


def _check(wanted: Wanted) -> None:
    check_names(wanted, "indices", "info")
    no_data_column(wanted)


def _write(file: IO[bytes], table: BatchTable, wanted: Wanted, summary: dict[str, Any]) -> None:
    lists = table.lists()
    del lists["order"]
    file.write(json_line({"indices": lists.pop("index"), **lists, "info": summary}))


JSON = Format("json", (".json",), _write, check=_check, holds_record=True)
