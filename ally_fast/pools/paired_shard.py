"""Vectors in one file, and the columns of the same rows in another: LAION's layout."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ally_fast.pools.column import Column
from ally_fast.pools.location import Location
from ally_fast.pools.pool import Pool
from ally_fast.pools.shard import Shard

_NUMBER = re.compile(r"(\d+)\D*$")


class PairedShard:
    """Two shards with the same rows: one gives the vectors, the other the columns.

    Parameters
    ----------
    vectors : Shard
        A file of one array.
    columns : Shard
        A file with as many rows.
    """

    def __init__(self, vectors: Shard, columns: Shard) -> None:
        self.name = vectors.name
        self.partitions: Mapping[str, str] = vectors.partitions
        self._vectors, self._columns = vectors, columns

    @property
    def names(self) -> Sequence[str]:
        """The names of the columns."""
        return self._columns.names

    def vectors(self, column: str | None = None) -> Pool:
        """Return the vectors; ValueError unless the columns have as many rows."""
        vectors = self._vectors.vectors(column)
        beside: Any = self._columns.column(next(iter(self.names), None))
        if beside.n != vectors.n:
            raise ValueError(
                f"{self.name}: holds {vectors.n} vectors, but {self._columns.name} holds "
                f"{beside.n} rows; needs as many"
            )
        return vectors

    def column(self, column: str | None = None) -> Column:
        """Return a column of one value per row."""
        return self._columns.column(column)

    def digest(self) -> bytes:
        """Return both hashes."""
        return self._vectors.digest() + self._columns.digest()

    def stamp(self) -> tuple[Any, ...]:
        """Return values that change when one of the files changes."""
        return self._vectors.stamp() + self._columns.stamp()


def paired(
    vectors: Iterable[Location], columns: Iterable[Location]
) -> list[tuple[Location, Location]]:
    """Return the files of vectors, in order, each with the file of columns with the same number.

    The number is the last one in a file's name: ``img_emb_007.npy`` and ``metadata_7.parquet``.

    Raises
    ------
    ValueError
        If a file has no number or no partner, or two have the same number.
    """
    first, second = _by_number(vectors), _by_number(columns)
    for some, others in ((first, second), (second, first)):
        for number, location in some.items():
            if number not in others:
                beside = os.path.dirname(next(iter(others.values())).name)
                raise ValueError(f"{location.name}: {beside} has no file with number {number}")
    return [(location, second[number]) for number, location in first.items()]


def _by_number(locations: Iterable[Location]) -> dict[int, Location]:
    by_number: dict[int, Location] = {}
    for location in locations:
        match = _NUMBER.search(os.path.splitext(os.path.basename(location.path))[0])
        if match is None:
            raise ValueError(f"{location.name}: needs a number in its name, to find its partner")
        if (other := by_number.setdefault(int(match[1]), location)) is not location:
            raise ValueError(f"{location.name}: has the same number as {other.name}")
    return by_number
