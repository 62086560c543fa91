"""A table in memory as a shard: Arrow, pandas, polars."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.pools.array_pool import ArrayPool
from ally_fast.pools.column import ArrowColumn
from ally_fast.pools.names import missing, quoted

_SAMPLED_ROWS = 64


def is_table(source: Any) -> bool:
    """Tell whether an object is a table with a column of vectors, without importing what makes it.

    A frame of numbers alone is a matrix: each of its rows is a vector.
    """
    arrow = sys.modules.get("pyarrow")
    if arrow is not None and isinstance(source, arrow.Table | arrow.RecordBatch):
        return True
    if hasattr(source, "column_names") and hasattr(source, "to_pandas"):  # datasets.Dataset
        return True
    if not (hasattr(source, "columns") and hasattr(source, "__arrow_c_stream__")):
        return False
    kinds = getattr(source, "dtypes", ())
    return not all(getattr(kind, "kind", "O") in "biuf" for kind in kinds)


class TableShard:
    """A table of named columns in memory.

    Parameters
    ----------
    table : pyarrow.Table, pandas.DataFrame, polars.DataFrame or datasets.Dataset
        Columns of lists of numbers are vectors.
    """

    name = "table"
    partitions: Mapping[str, str] = MappingProxyType({})

    def __init__(self, table: Any) -> None:
        arrow = require("pyarrow", "parquet", "a table")
        self._table = table if isinstance(table, arrow.Table) else arrow.table(table)

    @property
    def names(self) -> Sequence[str]:
        """The names of its columns."""
        names: Sequence[str] = self._table.column_names
        return names

    def vectors(self, column: str | None = None) -> ArrayPool:
        """Return a column of lists of numbers."""
        lists = [field.name for field in self._table.schema if _holds_lists(field.type)]
        if column is None and len(lists) == 1:
            (column,) = lists
        return ArrayPool(self._column(column), f"table: column {quoted(column or '')}")

    def column(self, column: str | None = None) -> TableColumn:
        """Return a column of one value per row."""
        if column is None and len(self.names) == 1:
            (column,) = self.names
        return TableColumn(self._column(column), f"table: column {quoted(column or '')}")

    def digest(self) -> bytes:
        """Return a hash of some rows and the types of all columns."""
        arrow = require("pyarrow", "parquet", "a table")
        rows = np.unique(np.linspace(0, max(0, len(self._table) - 1), _SAMPLED_ROWS).astype(int))
        sample = self._table.take(arrow.array(rows[: len(self._table)]))
        content = f"{len(self._table)} {self._table.schema} {sample.to_pydict()}"
        return blake2b(content.encode(), digest_size=16).digest()

    def stamp(self) -> tuple[Any, ...]:
        """Return (): there is no file."""
        return ()

    def _column(self, column: str | None) -> Any:
        if column is None or column not in self.names:
            raise ValueError(f"table: {missing(column, self.names, 'column')}")
        return self._table.column(column)


class TableColumn(ArrowColumn):
    """A column of a table in memory."""

    def __init__(self, values: Any, name: str) -> None:
        self.name, self.n, self.kind = name, len(values), values.type
        self._values = values

    def parts(self) -> Iterator[Any]:
        """Yield its chunks."""
        yield from self._values.chunks

    def take(self, indices: NDArray[np.int64]) -> Any:
        """Return the values at row `indices`, as an Arrow array."""
        arrow = require("pyarrow", "parquet", self.name)
        return self._values.take(arrow.array(indices)).combine_chunks()


def _holds_lists(kind: Any) -> bool:
    return "list" in str(kind) or "tensor" in str(kind)
