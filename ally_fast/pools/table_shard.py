"""A table in memory as a shard: Arrow, pandas, polars, Hugging Face."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.pools.arrow_pool import ArrowPool
from ally_fast.pools.arrow_rows import ArrowRows
from ally_fast.pools.column import ArrowColumn
from ally_fast.pools.column_choice import ColumnChoice, ColumnChooser
from ally_fast.pools.frame import Frame
from ally_fast.pools.names import quoted

_SAMPLED_ROWS = 64
_PART_ROWS = 1 << 16


class TableShard:
    """A table of named columns in memory, or mapped into it.

    Parameters
    ----------
    table : pyarrow.Table, pandas.DataFrame, polars.DataFrame or datasets.Dataset
        Also anything else for which `is_table` is true.
    """

    name = "table"
    partitions: Mapping[str, str] = MappingProxyType({})

    def __init__(self, table: Any) -> None:
        self._frame = Frame(table)
        self._columns = ColumnChooser(self.name, self._frame.names, self._frame.kind)

    @property
    def names(self) -> Sequence[str]:
        """The names of its columns."""
        return self._frame.names

    def vectors(self, column: str | None = None) -> ArrowPool:
        """Return a view of a column of vectors, named as `ColumnChooser.vectors` takes it."""
        choice = self._columns.vectors(column)
        return ArrowPool(self._rows(choice), choice.vectors(self.name))

    def column(self, column: str | None = None) -> TableColumn:
        """Return a column of one value per row."""
        choice = self._columns.values(column)
        return TableColumn(self._rows(choice), f"{self.name}: column {quoted(choice.name)}")

    def digest(self) -> bytes:
        """Return a hash of some rows and the types of all columns."""
        rows = np.unique(np.linspace(0, max(0, self._frame.n - 1), _SAMPLED_ROWS).astype(np.int64))
        digest = blake2b(str(self._frame.n).encode(), digest_size=16)
        for name in self.names:
            kind = self._frame.kind(name)
            choice = ColumnChoice(name, ((name,),), kind)
            digest.update(f" {name} {kind} ".encode())
            if not require("pyarrow", "parquet").types.is_null(kind):
                column = self._rows(choice)
                for row in rows[: self._frame.n].tolist():
                    for value in column.slices(row, row + 1):
                        digest.update(str(value.to_pylist()).encode())
        return digest.digest()

    def stamp(self) -> tuple[Any, ...]:
        """Return (): there is no file."""
        return ()

    def _rows(self, choice: ColumnChoice) -> ArrowRows:
        arrow = require("pyarrow", "parquet", "a table")
        heads = dict.fromkeys(path[0] for path in choice.paths)
        table = arrow.table({name: self._frame.column(name) for name in heads})
        return ArrowRows(table.to_batches(), choice.kind, choice.of, self._frame.order)


class TableColumn(ArrowColumn):
    """A column of a table in memory."""

    def __init__(self, rows: ArrowRows, name: str) -> None:
        self.name, self.n, self.kind = name, rows.n, rows.kind
        self._rows = rows

    def parts(self) -> Iterator[Any]:
        """Yield all values in order, as Arrow arrays of bounded size."""
        for lo in range(0, self.n, _PART_ROWS):
            yield from self._rows.slices(lo, min(self.n, lo + _PART_ROWS))

    def take(self, indices: NDArray[np.int64]) -> Any:
        """Return the values at row `indices`, as an Arrow array."""
        return self._rows.take(indices)
