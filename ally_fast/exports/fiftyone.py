"""FiftyOne: lists of ids and their columns; a data set finds its samples by them."""

from __future__ import annotations

from typing import IO, Any

from ally_fast.exports.format import Format, no_data_column
from ally_fast.exports.named_picks import check_task_names, demand_ids, task_lists
from ally_fast.exports.plain import json_line
from ally_fast.exports.table import BatchTable, Wanted


def _check(wanted: Wanted) -> None:
    demand_ids(wanted, "fiftyone")
    check_task_names(wanted)
    no_data_column(wanted)


def _write(file: IO[bytes], table: BatchTable, wanted: Wanted, summary: dict[str, Any]) -> None:
    file.write(json_line(task_lists(table, wanted)))


FIFTYONE = Format("fiftyone", (".json",), _write, check=_check, content="ids")
