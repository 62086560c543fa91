"""One value per row from a Parquet file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.pools.column import ArrowColumn
from ally_fast.pools.column_file import ColumnFile
from ally_fast.pools.location import Location
from ally_fast.pools.names import quoted
from ally_fast.pools.parquet_file import ParquetFile

_BATCH_ROWS = 1 << 16


class ParquetColumn(ArrowColumn):
    """A column of a Parquet file; the file is open only while it is read.

    Parameters
    ----------
    location : Location
        The file.
    column : str or None
        ``a.b`` is a field of a struct. You can leave it out if there is only one column.

    Raises
    ------
    ValueError
        If there is no such column. Also if the file is damaged, here or on reading.
    """

    open_file: Callable[..., ColumnFile] = ParquetFile

    def __init__(self, location: Location, column: str | None) -> None:
        self._location = location
        with closing(self.open_file(location)) as file:
            self._choice = file.columns.values(column)
            self.kind = self._choice.kind
            self.n = file.n
        self.name = f"{location.name}: column {quoted(self._choice.name)}"

    def parts(self) -> Iterator[Any]:
        """Yield all values in order, as Arrow arrays of bounded size."""
        with closing(self.open_file(self._location)) as file:
            for group in file.groups:
                yield from file.batches(self._choice, group, _BATCH_ROWS)

    def take(self, indices: NDArray[np.int64]) -> Any:
        """Return the values at sorted row `indices`; decodes only the row groups that it needs."""
        arrow = require("pyarrow", "parquet", f"reading {self.name}")
        parts = []
        with closing(self.open_file(self._location)) as file:
            groups = np.unique(np.searchsorted(file.starts, indices, side="right") - 1)
            for group in groups.tolist():
                start = int(file.starts[group])
                for part in file.batches(self._choice, group, _BATCH_ROWS):
                    lo, hi = np.searchsorted(indices, [start, start + len(part)])
                    parts.append(part.take(arrow.array(indices[lo:hi] - start)))
                    start += len(part)
        return arrow.chunked_array(parts, self.kind).combine_chunks()
