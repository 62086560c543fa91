"""A Zarr folder as a shard of a pool."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ally_fast.pools.file_shard import FileShard
from ally_fast.pools.location import Location
from ally_fast.pools.sliced_column import SlicedColumn
from ally_fast.pools.sliced_pool import SlicedPool
from ally_fast.pools.zarr_array import Seen, ZarrArray, zarr_keys


class ZarrShard(FileShard):
    """A streamed array or group: arrays of two dimensions are vectors, those of one are columns."""

    form = "Zarr"

    def __init__(self, location: Location) -> None:
        super().__init__(location)
        self._seen: dict[str | None, Seen] = {}

    @property
    def names(self) -> Sequence[str]:
        """The paths of the arrays in a group."""
        return zarr_keys(self._location)

    def vectors(self, column: str | None = None) -> SlicedPool:
        """Return an array of two dimensions."""
        seen = self._seen.setdefault(column, {})
        return SlicedPool(partial(ZarrArray, self._location, column, 2, seen))

    def column(self, column: str | None = None) -> SlicedColumn:
        """Return an array of one dimension."""
        seen = self._seen.setdefault(column, {})
        return SlicedColumn(partial(ZarrArray, self._location, column, 1, seen))
