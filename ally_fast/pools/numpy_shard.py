"""An ``.npy`` or ``.npz`` file as a shard of a pool."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ally_fast.pools.array_column import ArrayColumn
from ally_fast.pools.array_pool import ArrayPool
from ally_fast.pools.file_shard import FileShard
from ally_fast.pools.numpy_file import numpy_array, numpy_keys
from ally_fast.pools.streamed_array import StreamedArray


class NumpyShard(FileShard):
    """A memory-mapped ``.npy`` file, or the arrays of an ``.npz``, read into memory."""

    form = "NumPy files"

    @property
    def names(self) -> Sequence[str]:
        """The keys of an ``.npz``."""
        return () if self._location.extension == ".npy" else numpy_keys(self._location)

    def vectors(self, column: str | None = None) -> ArrayPool | StreamedArray:
        """Return a two-dimensional array; a file behind a URL is read in parts."""
        if self._location.filesystem is not None and self._location.extension == ".npy":
            return StreamedArray(self._location)
        return ArrayPool(numpy_array(self._location, column, ndim=2), self.name)

    def column(self, column: str | None = None) -> ArrayColumn:
        """Return a one-dimensional array."""
        read = partial(numpy_array, self._location, column, ndim=1)
        return ArrayColumn(self._named("key", column), read)
