"""Tables in memory, from any library, as Arrow columns."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ally_fast._optional import require
from ally_fast.arrow_lists import number_name, without_views
from ally_fast.pools.names import missing, quoted

_REASON = 120


def is_table(source: Any) -> bool:
    """Tell whether an object is a table of named columns; imports nothing.

    It looks at the type, not the object, because a pandas Series has an attribute for each label.
    """
    if isinstance(source, _known("pyarrow", "Table", "RecordBatch")):
        return True
    if isinstance(source, (*_known("datasets", "Dataset"), *_known("pandas", "DataFrame"))):
        return True
    return hasattr(type(source), "columns") and hasattr(type(source), "__arrow_c_stream__")


def is_matrix(table: Any) -> bool:
    """Tell whether all columns of a table hold numbers, so that NumPy can read it as an array."""
    if isinstance(table, _known("pandas", "DataFrame")):
        return all(getattr(kind, "kind", "O") in "iuf" for kind in table.dtypes)
    if isinstance(table, _known("polars", "DataFrame")):
        return all(kind.is_numeric() for kind in table.dtypes)
    if isinstance(table, _known("pyarrow", "Table", "RecordBatch")):
        return all(number_name(field.type) is not None for field in table.schema)
    return False


class Frame:
    """The columns of a table; a column of pandas or polars is converted when it is needed.

    Parameters
    ----------
    table : pyarrow.Table, pyarrow.RecordBatch, pandas.DataFrame, polars.DataFrame, \
datasets.Dataset, or anything that exports an Arrow stream

    Attributes
    ----------
    names : list of str
        The columns, among them a pandas index that has a name.
    n : int
        Number of rows.
    order : ndarray of integers, or None
        The place of each row in the columns, if a Dataset was shuffled, filtered or selected.
    """

    def __init__(self, table: Any) -> None:
        arrow = require("pyarrow", "parquet", "a table")
        self._columns: dict[str, Any] = {}
        self.order = None
        if isinstance(table, _known("pandas", "DataFrame")):
            self.names, self._get = _of_pandas(table)
        elif isinstance(table, _known("polars", "DataFrame")):
            self.names = list(table.columns)
            self._get = lambda name: table.get_column(name).to_arrow()
        elif isinstance(table, _known("datasets", "Dataset")):
            if table._indices is not None:
                self.order = table._indices.column(0).to_numpy()
            self.names, self._get = table.data.table.column_names, table.data.table.column
        else:
            table = table if isinstance(table, arrow.Table) else arrow.table(table)
            self.names, self._get = table.column_names, table.column
        self.n = len(table)
        self._table = table

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to make it again."""
        return Frame, (self._table,)

    def column(self, name: str) -> Any:
        """Return a column as a ``ChunkedArray``, in the order in which it is stored.

        Raises
        ------
        ValueError
            If there is no such column, there are two, or Arrow cannot hold its objects.
        """
        if (count := self.names.count(name)) != 1:
            twice = f"{count} columns are called {quoted(name)}; rename all but one"
            raise ValueError(f"table: {twice if count else missing(name, self.names, 'column')}")
        if name not in self._columns:
            arrow = require("pyarrow", "parquet", "a table")
            try:
                self._columns[name] = _as_chunks(self._get(name))
            except (arrow.ArrowException, TypeError, OverflowError) as error:
                reason = (str(error).splitlines() or [""])[0][:_REASON]
                raise ValueError(f"table: column {quoted(name)}: {reason}") from None
        return self._columns[name]

    def kind(self, name: str) -> Any:
        """Return the Arrow type of a column; null if Arrow cannot hold its objects."""
        try:
            return self.column(name).type
        except ValueError:
            return require("pyarrow", "parquet", "a table").null()


def _as_chunks(column: Any) -> Any:
    arrow = require("pyarrow", "parquet", "a table")
    if not isinstance(column, arrow.ChunkedArray):
        column = arrow.chunked_array([column])
    kind = without_views(column.type)
    return column if column.type == kind else column.cast(kind)


def _of_pandas(frame: Any) -> tuple[list[str], Callable[[str], Any]]:
    """Return the names of a pandas frame's columns, and a function that converts one."""
    arrow = require("pyarrow", "parquet", "a table")
    columns = {str(name): place for place, name in enumerate(frame.columns)}
    levels = {
        str(name): level
        for level, name in enumerate(frame.index.names)
        if name is not None and str(name) not in columns
    }

    def get(name: str) -> Any:
        if name in columns:
            values = frame.iloc[:, columns[name]]
        else:
            values = frame.index.get_level_values(levels[name]).to_series()
        if isinstance(values.dtype, np.dtype) and values.dtype.kind in "biuf":
            return arrow.array(values.to_numpy())  # keeps NaN, which is not null
        return arrow.array(values, from_pandas=True)

    return [*map(str, frame.columns), *levels], get


def _known(module: str, *names: str) -> Any:
    """Return types of a module if it is loaded; otherwise none."""
    loaded = sys.modules.get(module)
    return () if loaded is None else tuple(getattr(loaded, name) for name in names)
