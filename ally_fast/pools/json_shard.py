"""A JSON file as a shard; it has lists but no vectors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ally_fast.pools.file_shard import FileShard
from ally_fast.pools.json_file import json_column, json_list, json_names
from ally_fast.pools.names import quoted
from ally_fast.pools.text_column import TextColumn


class JsonShard(FileShard):
    """A JSON file that holds an object of lists."""

    form = "JSON"

    @property
    def names(self) -> Sequence[str]:
        """The names of its lists."""
        return json_names(self._location)

    def column(self, column: str | None = None) -> TextColumn:
        """Return a list."""

        def values() -> list[list[Any]]:
            return [json_list(self._location, column)]

        name = f"{self.name}: list {quoted(column)}" if column else self.name
        return TextColumn(name, values, partial(json_column, self._location, column))
