"""The description of an output format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

from ally_fast.exports.table import OWN_NAMES, BatchTable, Wanted


def check_names(wanted: Wanted, *more: str) -> None:
    """Raise ValueError if a column to keep has the name of one of the batch's own columns."""
    for name in wanted.keep:
        if name in OWN_NAMES or name in more:
            raise ValueError(f"keep: the batch has its own column {name!r}; rename yours")


def no_data_column(wanted: Wanted) -> None:
    """Raise ValueError if a data column is named: the format takes none."""
    if wanted.data_column is not None:
        raise ValueError("data_column: only the formats cvat and prodigy take one")


def check_table(wanted: Wanted) -> None:
    """Check the request for a table."""
    check_names(wanted)
    no_data_column(wanted)


@dataclass(frozen=True)
class Format:
    """A format of output.

    Attributes
    ----------
    name : str
    extensions : tuple of str
        The extensions that its files may have; the first is the usual one.
    write : callable
        Writes a table to an open file. Called with the file, the `BatchTable`, the `Wanted`, and
        the summary (a dict from `summarize`, or {}).
    check : callable
        Called with the `Wanted` before any work; raises ValueError if it cannot be written.
    content : str
        The content that the batch's record names; see `BatchRecord`.
    holds_record : bool
        Whether the file itself holds that record; if not, a second file beside it does.
    """

    name: str
    extensions: tuple[str, ...]
    write: Callable[[IO[bytes], BatchTable, Wanted, dict[str, Any]], None] = field(repr=False)
    check: Callable[[Wanted], None] = field(repr=False, default=check_table)
    content: str = "table"
    holds_record: bool = False
