"""A CSV file as a shard; it has columns but no vectors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ally_fast.pools.csv_file import csv_column, csv_names, csv_texts
from ally_fast.pools.file_shard import FileShard
from ally_fast.pools.names import quoted
from ally_fast.pools.text_column import TextColumn


class CsvShard(FileShard):
    """A CSV file with column names on line 1."""

    form = "CSV"

    @property
    def names(self) -> Sequence[str]:
        """The names of its columns."""
        return csv_names(self._location)

    def column(self, column: str | None = None) -> TextColumn:
        """Return a column."""
        name = f"{self.name}: column {quoted(column)}" if column else self.name
        return TextColumn(
            name,
            partial(csv_texts, self._location, column),
            partial(csv_column, self._location, column),
            untyped=True,
        )
