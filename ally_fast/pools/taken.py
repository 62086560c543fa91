"""Values of some rows, as the NumPy arrays that users get."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.pools.column import Column


def taken(column: Column, indices: NDArray[np.int64]) -> NDArray[Any]:
    """Return a column's values at rows in any order as a NumPy array; see `taken_as_stored`."""
    return as_values(taken_as_stored(column, indices))


def taken_as_stored(column: Column, indices: NDArray[np.int64]) -> Any:
    """Return a column's values at rows in any order, as an Arrow array.

    The column is read in the order of its rows.
    """
    arrow = require("pyarrow", "parquet", f"reading {column.name}")
    order = np.argsort(indices)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return column.take(indices[order]).take(arrow.array(back))


def as_values(values: Any) -> NDArray[Any]:
    """Return an Arrow array as a NumPy array of numbers, booleans, or objects for all else.

    The objects are Python's. Times in nanoseconds are NumPy's. A value that neither can hold is a
    text.
    """
    numeric = values.null_count == 0 and str(values.type).startswith(
        ("int", "uint", "float", "double", "halffloat", "bool")
    )
    if numeric:
        array: NDArray[Any] = values.to_numpy(zero_copy_only=False)
        return array
    if str(values.type).startswith(("timestamp[ns", "duration[ns")):
        items = list(values.to_numpy(zero_copy_only=False))  # Python only has microseconds
    else:
        try:
            items = values.to_pylist()
        except (ValueError, OverflowError):  # a time that Python cannot hold
            items = values.cast("string").to_pylist()
    return np.fromiter(items, object, len(items))  # lists of equal length stay single values
