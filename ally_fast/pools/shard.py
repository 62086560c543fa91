"""The protocol of a shard: one file or one table of a pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from ally_fast.pools.column import Column
from ally_fast.pools.pool import Pool


@runtime_checkable
class Shard(Protocol):
    """One file or one table of a pool: rows of vectors, with their columns.

    Opening a shard reads what it declares, but no rows. A shard can be pickled.

    Attributes
    ----------
    name : str
        Path or URL, for messages.
    partitions : mapping of str to str
        Keys and values from the names of hive-style folders above: ``{"date": "2026-01-31"}``.
    """

    name: str
    partitions: Mapping[str, str]

    @property
    def names(self) -> Sequence[str]:
        """The names of columns or keys; none in a file of one array."""
        ...

    def vectors(self, column: str | None = None) -> Pool:
        """Return a column of vectors; None: the only one there is.

        Raises
        ------
        ValueError, TypeError
            If there is no such column, or it holds other values. The message names the file.
        """
        ...

    def column(self, column: str | None = None) -> Column:
        """Return a column of one value per row; None: the only column there is."""
        ...

    def digest(self) -> bytes:
        """Return bytes that differ between shards with different content; takes little time."""
        ...

    def stamp(self) -> tuple[Any, ...]:
        """Return values that change when the file is written to; () in memory."""
        ...
