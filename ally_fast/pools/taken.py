"""Values of some rows, as NumPy arrays that the user gets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.pools.column import Column


def taken(column: Column, indices: NDArray[np.int64]) -> NDArray[Any]:
    """Return the values of a column in rows in any order, as NumPy's; see `taken_as_stored`."""
    return as_values(taken_as_stored(column, indices))


def taken_as_stored(column: Column, indices: NDArray[np.int64]) -> Any:
    """Return the values of a column in rows in any order, as an Arrow array.

    The column is read in its own order.
    """
    arrow = require("pyarrow", "parquet", f"reading {column.name}")
    order = np.argsort(indices)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return column.take(indices[order]).take(arrow.array(back))


def as_values(values: Any) -> NDArray[Any]:
    """Return an Arrow array as NumPy's: numbers and booleans as such, all else as objects.

    Objects are Python's; NumPy's for times in nanoseconds; texts where neither can hold a value.
    """
    numeric = values.null_count == 0 and str(values.type).startswith(
        ("int", "uint", "float", "double", "halffloat", "bool")
    )
    if numeric:
        array: NDArray[Any] = values.to_numpy(zero_copy_only=False)
        return array
    if str(values.type).startswith(("timestamp[ns", "duration[ns")):
        items = list(values.to_numpy(zero_copy_only=False))  # Python's have microseconds
    else:
        try:
            items = values.to_pylist()
        except (ValueError, OverflowError):  # a time that Python cannot hold
            items = values.cast("string").to_pylist()
    return np.fromiter(items, object, len(items))  # lists of one length are values, too
