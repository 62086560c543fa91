"""A ``.safetensors`` file as a shard of a pool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from ally_fast.pools.array_column import ArrayColumn
from ally_fast.pools.array_pool import ArrayPool
from ally_fast.pools.file_shard import FileShard
from ally_fast.pools.safetensors_file import safetensors_array, safetensors_keys


class SafetensorsShard(FileShard):
    """Memory-mapped tensors: those of two dimensions are vectors, those of one are columns."""

    form = "safetensors files"

    @property
    def names(self) -> Sequence[str]:
        """The names of the tensors."""
        return safetensors_keys(self._on_disk())

    def vectors(self, column: str | None = None) -> ArrayPool:
        """Return a tensor of two dimensions."""
        location = self._on_disk()
        return ArrayPool(safetensors_array(location, column, ndim=2), self._named("key", column))

    def column(self, column: str | None = None) -> ArrayColumn:
        """Return a tensor of one dimension."""
        location = self._on_disk()

        def read(*, n: int | None = None, most: int | None = None, texts: bool) -> NDArray[Any]:
            return safetensors_array(location, column, ndim=1, n=n, most=most)

        return ArrayColumn(self._named("key", column), read)
