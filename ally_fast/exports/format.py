"""What a format of output is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

from ally_fast.exports.table import OWN_NAMES, BatchTable, Wanted


def check_names(wanted: Wanted, *more: str) -> None:
    """Raise ValueError if a column to keep has the name of a column that a batch has anyway."""
    for name in wanted.keep:
        if name in OWN_NAMES or name in more:
            raise ValueError(f"keep: the batch has its own column {name!r}; rename yours")


def no_data_column(wanted: Wanted) -> None:
    """Raise ValueError if a data column is named, which the format does not need."""
    if wanted.data_column is not None:
        raise ValueError("data_column: only the formats cvat and prodigy take one")


def check_table(wanted: Wanted) -> None:
    """Check what is asked of a table."""
    check_names(wanted)
    no_data_column(wanted)


@dataclass(frozen=True)
class Format:
    """A format of output.

    Attributes
    ----------
    name : str
    extensions : tuple of str
        Those its files may have; the first one is usual.
    write : callable
        Writes a table to an open file: called with the file, the table, what is wanted, and the
        summary (of `summarize`, or {}).
    check : callable
        Raises ValueError before any work, if what is wanted cannot be written.
    content : str
        What the record of the batch says of it; see `BatchRecord`.
    holds_record : bool
        Whether the file holds that record itself; else it stands in a file beside.
    """

    name: str
    extensions: tuple[str, ...]
    write: Callable[[IO[bytes], BatchTable, Wanted, dict[str, Any]], None] = field(repr=False)
    check: Callable[[Wanted], None] = field(repr=False, default=check_table)
    content: str = "table"
    holds_record: bool = False
