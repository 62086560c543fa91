"""An Arrow IPC file as a shard of a pool."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from ally_fast.pools.arrow_file import ArrowFile
from ally_fast.pools.file_shard import FileShard
from ally_fast.pools.parquet_column import ParquetColumn
from ally_fast.pools.parquet_pool import ParquetPool


class ArrowShard(FileShard):
    """An Arrow or Feather file: lists of numbers are vectors, everything else is a column."""

    form = "Arrow files"

    @property
    def names(self) -> Sequence[str]:
        """The names of its columns."""
        with closing(ArrowFile(self._location)) as file:
            return file.names

    def vectors(self, column: str | None = None) -> ParquetPool:
        """Return a column of vectors, read a record batch at a time."""
        return ArrowFilePool(self._location, column)

    def column(self, column: str | None = None) -> ParquetColumn:
        """Return a column of one value per row."""
        return ArrowFileColumn(self._location, column)


class ArrowFilePool(ParquetPool):
    """Rows of one column of an Arrow file; see `ParquetPool`."""

    open_file = ArrowFile


class ArrowFileColumn(ParquetColumn):
    """A column of an Arrow file."""

    open_file = ArrowFile
