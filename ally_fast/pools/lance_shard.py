"""A Lance table as a shard of a pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.pools.file_shard import FileShard
from ally_fast.pools.lance_file import LanceFile, lance_manifest, lance_stamp
from ally_fast.pools.location import Location
from ally_fast.pools.parquet_column import ParquetColumn
from ally_fast.pools.parquet_pool import ParquetPool
from ally_fast.rows import Rows


class LanceShard(FileShard):
    """A Lance table, in the version that is the latest when you first open it."""

    form = "Lance tables"

    def __init__(self, location: Location) -> None:
        super().__init__(location)
        self._version: int | None = None

    @property
    def names(self) -> Sequence[str]:
        """The names of its columns."""
        return LanceFile(self._location, self._pinned()).names

    def vectors(self, column: str | None = None) -> LancePool:
        """Return a column of vectors, streamed."""
        return LancePool(self._location, column, self._pinned())

    def column(self, column: str | None = None) -> LanceColumn:
        """Return a column of one value per row."""
        return LanceColumn(self._location, column, self._pinned())

    def digest(self) -> bytes:
        """Return a hash of the list of the version's files; Lance writes each file once."""
        return lance_manifest(self._location, self._pinned()).digest()

    def stamp(self) -> tuple[Any, ...]:
        """Return values that change when this version is rewritten; other versions do not count."""
        return lance_stamp(self._location, self._pinned())

    def _pinned(self) -> int:
        """Return the version that is read."""
        if self._version is None:
            self._version = LanceFile(self._on_disk()).version
        return self._version


class LancePool(ParquetPool):
    """Rows of one column of a Lance table; single rows are read without their neighbours."""

    _file: LanceFile

    def __init__(self, location: Location, column: str | None, version: int) -> None:
        self._version = version
        self.open_file = partial(LanceFile, version=version)
        super().__init__(location, column)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to open the same version again."""
        return type(self), (self._location, self._name, self._version)

    def gather(self, indices: NDArray[np.int64]) -> Rows:
        """Return the rows at sorted pool `indices`; a row that holds no vector is NaN."""
        rows = np.empty((len(indices), self.d), self._column.dtype)
        for lo in range(0, len(indices), self._batch_rows):
            part = slice(lo, lo + self._batch_rows)
            rows[part] = self._column.to_matrix(self._file.take(self._choice, indices[part]))
        return Rows(rows, self._column.bf16)


class LanceColumn(ParquetColumn):
    """A column of a Lance table."""

    open_file: Callable[..., LanceFile]

    def __init__(self, location: Location, column: str | None, version: int) -> None:
        self.open_file = partial(LanceFile, version=version)
        super().__init__(location, column)

    def take(self, indices: NDArray[np.int64]) -> Any:
        """Return the values at sorted row `indices`; reads no others."""
        return self.open_file(self._location).take(self._choice, indices)
