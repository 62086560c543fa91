"""Values of some rows, as NumPy arrays that the user gets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.pools.column import Column


def taken(column: Column, indices: NDArray[np.int64]) -> NDArray[Any]:
    """Return the values of a column in rows in any order; the column is read in its own order."""
    order = np.argsort(indices)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return as_values(column.take(indices[order]))[back]


def as_values(values: Any) -> NDArray[Any]:
    """Return an Arrow array as NumPy's: numbers and booleans as such, all else as objects."""
    numeric = values.null_count == 0 and str(values.type).startswith(
        ("int", "uint", "float", "double", "halffloat", "bool")
    )
    if numeric:
        array: NDArray[Any] = values.to_numpy(zero_copy_only=False)
        return array
    objects = np.empty(len(values), object)
    objects[:] = values.to_pylist()
    return objects
