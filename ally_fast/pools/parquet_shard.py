"""A Parquet file as a shard of a pool."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from ally_fast.pools.file_shard import FileShard
from ally_fast.pools.parquet_column import ParquetColumn
from ally_fast.pools.parquet_file import ParquetFile
from ally_fast.pools.parquet_pool import ParquetPool


class ParquetShard(FileShard):
    """A Parquet file: lists of numbers are vectors, everything else is a column."""

    form = "Parquet"

    @property
    def names(self) -> Sequence[str]:
        """The names of its columns."""
        with closing(ParquetFile(self._location)) as file:
            return file.names

    def vectors(self, column: str | None = None) -> ParquetPool:
        """Return a column of vectors, streamed."""
        return ParquetPool(self._location, column)

    def column(self, column: str | None = None) -> ParquetColumn:
        """Return a column of one value per row."""
        return ParquetColumn(self._location, column)
