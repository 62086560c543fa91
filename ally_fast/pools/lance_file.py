"""A version of a Lance table, which is a folder of files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.arrow_lists import without_views
from ally_fast.pools.column_choice import ColumnChoice, ColumnChooser
from ally_fast.pools.column_file import ColumnFile
from ally_fast.pools.location import Location
from ally_fast.pools.names import quoted

_GROUP_ROWS = 1 << 16
_AHEAD_BYTES = 16 << 20  # that Lance reads ahead
_LARGEST = (1 << 64) - 1
_NOT_ONE = "not a readable Lance table"


class LanceFile(ColumnFile):
    """An open Lance table; a group is a part of a fragment.

    Parameters
    ----------
    location : Location
        Its folder.
    version : int, optional
        The version of the table to read; by default the latest.

    Attributes
    ----------
    version : int
        The version that is read. Later writes make new versions.

    Raises
    ------
    ImportError
        If pylance is not installed.
    ValueError
        If the folder is not a Lance table, is damaged, or has files elsewhere; also in every
        method. The message names the folder.
    """

    part = "part"

    def __init__(self, location: Location, version: int | None = None) -> None:
        self._location, self.path = location, location.name
        if not location.unit:
            raise ValueError(
                f"{self.path}: is not a Lance table; name the folder that has _versions"
            )
        lance = require("lance", "lance", f"reading {self.path}")
        with self.named(_NOT_ONE):
            checks = {"validate_on_decode": True}
            self._data = lance.dataset(location.path, version=version, read_params=checks)
            if self._data.base_paths():
                raise ValueError(
                    "its files lie in other folders; copy them into one with deep_clone"
                )
            self.version: int = self._data.version
            self._stamp = lance_stamp(location, self.version)
            self._schema = self._data.schema
            self._parts = [
                (fragment, lo, min(lo + _GROUP_ROWS, rows))
                for fragment in self._data.get_fragments()
                for rows in (fragment.count_rows(),)
                for lo in range(0, rows, _GROUP_ROWS)
            ]
        self.names: list[str] = self._schema.names
        self._kinds = {field.name: without_views(field.type) for field in self._schema}
        self.columns = ColumnChooser(self.path, self.names, lambda name: self._kinds[name])
        self.starts = np.cumsum([0, *(hi - lo for _, lo, hi in self._parts)], dtype=np.int64)

    def close(self) -> None:
        """Do nothing: Lance opens its files only while it reads."""

    def check(self) -> None:
        """Raise ValueError if the version was removed or rewritten."""
        if lance_stamp(self._location, self.version) != self._stamp:
            raise ValueError(f"{self.path}: the file changed while it was read")

    def declared(self, choice: ColumnChoice, group: int) -> int:
        """Return 0: Lance does not tell, but validates what it decodes."""
        return 0

    def take(self, choice: ColumnChoice, indices: NDArray[np.int64]) -> Any:
        """Return a column's rows at sorted `indices` as one Arrow array; reads no others."""
        with self.named(f"column {quoted(choice.name)}: {len(indices)} rows"):
            table = self._data.take(indices.tolist(), columns=_heads(choice))
            return _rows(choice, table.to_batches())

    def _batches(self, choice: ColumnChoice, group: int, batch_rows: int) -> Iterator[Any]:
        fragment, lo, hi = self._parts[group]
        with self.named(self.place(choice, group)):
            batches = fragment.to_batches(
                columns=_heads(choice),
                offset=lo,
                limit=hi - lo,
                batch_size=batch_rows,
                batch_readahead=1,
                io_buffer_size=_AHEAD_BYTES,
            )
        while True:
            self.check()
            with self.named(self.place(choice, group)):
                batch = next(batches, None)
                if batch is None:
                    return
                part = _rows(choice, [batch])
            yield part


def lance_stamp(location: Location, version: int) -> tuple[Any, ...]:
    """Return values that change when a version is rewritten; () if it was removed."""
    try:
        return lance_manifest(location, version).stamp()
    except FileNotFoundError:
        return ()


def lance_manifest(location: Location, version: int) -> Location:
    """Return the file that lists the files of a version; Lance writes each of those once.

    Its name is the version in older tables, and the largest version minus that one in newer ones.
    """
    older, newer = (
        location.inside(f"_versions/{number}.manifest") for number in (version, _LARGEST - version)
    )
    return older if os.path.exists(older.path) else newer


def _rows(choice: ColumnChoice, batches: Iterable[Any]) -> Any:
    """Return a column of record batches as one validated array."""
    arrow = require("pyarrow", "parquet")
    parts = [choice.of(batch) for batch in batches]
    parts = [part if part.type == choice.kind else part.cast(choice.kind) for part in parts]
    rows = arrow.concat_arrays(parts or [arrow.array([], choice.kind)])
    rows.validate(full=True)
    return rows


def _heads(choice: ColumnChoice) -> list[str]:
    return list(dict.fromkeys(path[0] for path in choice.paths))
