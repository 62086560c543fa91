"""The protocol of a shard: one file, or one table, of a pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from ally_fast.pools.column import Column
from ally_fast.pools.pool import Pool


@runtime_checkable
class Shard(Protocol):
    """One file of a pool, or one table: rows of vectors, and columns beside them.

    Opening one reads what it declares, and no rows. It can be pickled.

    Attributes
    ----------
    name : str
        Path or URL, for messages.
    partitions : mapping of str to str
        What hive-style folders above it say of all its rows: ``{"date": "2026-01-31"}``.
    """

    name: str
    partitions: Mapping[str, str]

    @property
    def names(self) -> Sequence[str]:
        """Columns, or keys; none in a file of one array."""
        ...

    def vectors(self, column: str | None = None) -> Pool:
        """Return a column of vectors; None: the only one there is.

        Raises
        ------
        ValueError, TypeError
            Naming the file: if there is no such column, or it holds something else.
        """
        ...

    def column(self, column: str | None = None) -> Column:
        """Return a column of one value per row; None: the only column there is."""
        ...

    def digest(self) -> bytes:
        """Return bytes that differ between shards of other content; takes little time."""
        ...

    def stamp(self) -> tuple[Any, ...]:
        """Return what changes when its file is written to; () in memory."""
        ...
