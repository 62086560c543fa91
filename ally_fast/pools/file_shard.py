"""The base class of shards that are files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ally_fast.pools.column import Column
from ally_fast.pools.location import Location
from ally_fast.pools.names import quoted
from ally_fast.pools.pool import Pool


class FileShard:
    """A file as a `Shard`; subclasses read it.

    Parameters
    ----------
    location : Location
        The file.
    """

    form = "such files"  # what messages call the format

    def __init__(self, location: Location) -> None:
        self.name = location.name
        self.partitions = location.partitions
        self._location = location.absolute()  # a copy may be used in another folder

    @property
    def names(self) -> Sequence[str]:
        """The names of columns or keys; none in a file of one array."""
        return ()

    def vectors(self, column: str | None = None) -> Pool:
        """Raise ValueError: no vectors are read from this format."""
        raise ValueError(
            f"{self.name}: vectors are not read from {self.form}; save them as .npy or .parquet, "
            "for example with numpy.save or DataFrame.to_parquet"
        )

    def column(self, column: str | None = None) -> Column:
        """Raise ValueError: no columns are read from this format."""
        raise ValueError(f"{self.name}: columns are not read from {self.form}")

    def digest(self) -> bytes:
        """Return a hash of parts of the file."""
        return self._location.digest()

    def stamp(self) -> tuple[Any, ...]:
        """Return values that change when the file changes."""
        return self._location.stamp()

    def _on_disk(self) -> Location:
        """Return the file's location; ValueError if it is not on a disk."""
        if self._location.filesystem is not None:
            raise ValueError(
                f"{self.name}: {self.form} are read from a disk only; copy the file to one, or use "
                "Parquet"
            )
        return self._location

    def _named(self, what: str, key: str | None) -> str:
        """Return the name of a column or key of the file for messages."""
        return f"{self.name}: {what} {quoted(key)}" if key else self.name
