"""Parquet: the table; kept columns have the types that they have in the pool."""

from __future__ import annotations

import io
import json
from typing import IO, Any

from ally_fast._optional import require
from ally_fast.exports.batch_record import METADATA_KEY
from ally_fast.exports.format import Format, check_table
from ally_fast.exports.table import BatchTable, Wanted


def _check(wanted: Wanted) -> None:
    check_table(wanted)
    arrow = require("pyarrow", "parquet", "a .parquet file")
    parquet = require("pyarrow.parquet", "parquet")
    for name, kind in wanted.kinds.items():
        try:
            parquet.write_table(arrow.schema([(name, kind)]).empty_table(), io.BytesIO())
        except arrow.ArrowException as error:
            reason = str(error).splitlines()[0][:120]
            raise ValueError(f"keep: column {name!r} cannot be written: {reason}") from None


def _write(file: IO[bytes], table: BatchTable, wanted: Wanted, summary: dict[str, Any]) -> None:
    arrow = require("pyarrow", "parquet", "a .parquet file")
    own = {
        name: arrow.array(column.tolist() if column.dtype == object else column)
        for name, column in table.own.items()
    }
    content = arrow.table(own | dict(table.kept))
    if record := summary.get("batch"):
        text = json.dumps(record, allow_nan=False).encode()
        content = content.replace_schema_metadata({METADATA_KEY: text})
    require("pyarrow.parquet", "parquet").write_table(content, file)


PARQUET = Format("parquet", (".parquet",), _write, check=_check, holds_record=True)
