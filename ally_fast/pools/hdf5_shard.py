"""An HDF5 file as a shard of a pool."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ally_fast.pools.file_shard import FileShard
from ally_fast.pools.hdf5_file import Hdf5Array, hdf5_keys
from ally_fast.pools.sliced_column import SlicedColumn
from ally_fast.pools.sliced_pool import SlicedPool


class Hdf5Shard(FileShard):
    """Streamed data sets: those of two dimensions are vectors, those of one are columns."""

    form = "HDF5"

    @property
    def names(self) -> Sequence[str]:
        """The names of the data sets, ``group/dataset``."""
        return hdf5_keys(self._location)

    def vectors(self, column: str | None = None) -> SlicedPool:
        """Return a data set of two dimensions."""
        return SlicedPool(partial(Hdf5Array, self._location, column, 2))

    def column(self, column: str | None = None) -> SlicedColumn:
        """Return a data set of one dimension."""
        return SlicedColumn(partial(Hdf5Array, self._location, column, 1))
