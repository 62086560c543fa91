"""Convert Arrow values exactly to values that JSON and CSV can hold."""

from __future__ import annotations

import base64
import json
import math
from decimal import Decimal
from typing import Any

from ally_fast._optional import require

_SECONDS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def plain_values(column: Any, name: str) -> list[Any]:
    """Return an Arrow array as a list of plain values.

    Plain values are numbers, booleans, texts, None, and lists and dicts of plain values.
    Decimals become their digits as text, dates and times ISO 8601, durations ``PT1.5S``, bytes
    base64, and maps lists of ``{"key": ..., "value": ...}``.

    Raises
    ------
    ValueError
        If a time is out of the range of dates; the message names the column.
    """
    arrow = require("pyarrow", "parquet", "columns to keep")
    if _is_plain(column.type, arrow.types):
        values: list[Any] = column.to_pylist()
        return values
    try:
        return [_plain(scalar, arrow) for scalar in column]
    except ValueError as error:
        raise ValueError(f"keep: column {name!r}: {error}; write .parquet") from None


def finite(value: Any, name: str) -> Any:
    """Return a value for JSON: NaN becomes None, also inside lists and dicts.

    Raises
    ------
    ValueError
        If a number is infinite; the message names the column.
    """
    if isinstance(value, float):
        if math.isinf(value):
            raise ValueError(
                f"column {name!r} holds {value}, which JSON cannot hold; write .csv or .parquet"
            )
        return None if math.isnan(value) else value
    if isinstance(value, list):
        return [finite(item, name) for item in value]
    if isinstance(value, dict):
        return {key: finite(item, name) for key, item in value.items()}
    return value


def json_line(named: dict[str, Any]) -> bytes:
    """Return a JSON object as one line."""
    safe = {name: finite(value, name) for name, value in named.items()}
    return json.dumps(safe, allow_nan=False).encode() + b"\n"


def _is_plain(kind: Any, types: Any) -> bool:
    """Tell whether Arrow's own conversion gives values that JSON can hold."""
    if types.is_struct(kind):
        return all(_is_plain(kind.field(i).type, types) for i in range(kind.num_fields))
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _is_plain(kind.value_type, types)
    if types.is_dictionary(kind):
        return _is_plain(kind.value_type, types)
    return bool(
        types.is_null(kind)
        or types.is_boolean(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
    )


def _plain(scalar: Any, arrow: Any) -> Any:
    types, kind = arrow.types, scalar.type
    if not scalar.is_valid:
        return None
    if isinstance(kind, arrow.BaseExtensionType):
        return _plain(scalar.value, arrow)
    if types.is_dictionary(kind):
        return _plain(scalar.value, arrow)
    if types.is_struct(kind):
        return {kind.field(i).name: _plain(scalar[i], arrow) for i in range(kind.num_fields)}
    if types.is_nested(kind):
        return [_plain(item, arrow) for item in scalar.values]
    if types.is_timestamp(kind):
        text = scalar.cast(arrow.string()).as_py()
        if "out of range" in text:
            raise ValueError(f"a time of {scalar.value} {kind.unit} since 1970 has no date")
        return text.replace(" ", "T", 1)
    if types.is_date(kind) or types.is_time(kind):
        return scalar.cast(arrow.string()).as_py()
    if types.is_duration(kind):
        return f"PT{Decimal(scalar.value) / _SECONDS[kind.unit]:f}S"
    value = scalar.as_py()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
