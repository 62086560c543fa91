"""The kept column that holds what to label: paths, URLs or texts."""

from __future__ import annotations

from typing import Any

from ally_fast.exports.table import BatchTable, Wanted
from ally_fast.pools.names import quoted


def data_column(wanted: Wanted, tool: str) -> str:
    """Return the name of the column: the one named in `wanted`, or the only one kept.

    Raises
    ------
    ValueError
        If none is named and several or none are kept, or the named one is not kept.
    """
    name = wanted.data_column
    if name is None and len(wanted.keep) == 1:
        (name,) = wanted.keep
    if name is None:
        raise ValueError(f"data_column: got none; the format {tool} needs the column to label")
    if name not in wanted.keep:
        raise ValueError(f"data_column: {quoted(name)} is not among the columns to keep")
    return name


def check_data_column(wanted: Wanted, tool: str) -> None:
    """Check the column's name, and its type if that is declared."""
    name = data_column(wanted, tool)
    kind = wanted.kinds.get(name)
    if kind is not None and not str(kind).startswith(("string", "large_string", "dictionary")):
        raise ValueError(f"data_column: {quoted(name)} must hold texts; it holds {str(kind)[:40]}")


def data_texts(table: BatchTable, wanted: Wanted, tool: str) -> list[str]:
    """Return the texts of the picks.

    Raises
    ------
    ValueError
        If a value is missing, empty, or not a text.
    """
    name = data_column(wanted, tool)
    values: list[Any] = table.kept[name].to_pylist()
    for number, value in enumerate(values):
        if not isinstance(value, str) or not value:
            raise ValueError(
                f"data_column: {quoted(name)} holds {str(value)[:40]!r} for pick {number}, needs a "
                "text"
            )
    return values
