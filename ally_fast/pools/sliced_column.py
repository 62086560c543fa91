"""A column read in slices: HDF5, Zarr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.pools.arrow_values import arrow_values
from ally_fast.pools.column import ArrowColumn
from ally_fast.pools.sliced_array import SlicedArray, check_chunks

_PART_ROWS = 1 << 16


class SlicedColumn(ArrowColumn):
    """A one-dimensional array of numbers, truth values or texts.

    Parameters
    ----------
    opener : callable
        Opens the array; it stays open only while it is read.

    Raises
    ------
    TypeError
        If the array holds other values.
    ValueError
        If the array is not one-dimensional.
    """

    def __init__(self, opener: Callable[[], SlicedArray]) -> None:
        self._opener = opener
        array = opener()
        self.name = array.name
        if array.dtype.kind not in "biufSUTO":
            raise TypeError(f"{self.name} must hold numbers or texts; it holds {array.dtype}")
        if len(array.shape) != 1:
            raise ValueError(f"{self.name}: need one value per row, got shape {array.shape}")
        check_chunks(array)
        (self.n,) = array.shape
        self.kind = arrow_values(np.empty(0, array.dtype), self.name).type

    def parts(self) -> Iterator[Any]:
        """Yield all values in order, as Arrow arrays of bounded size."""
        array = self._opener()
        rows = _PART_ROWS
        if array.chunk_rows:
            rows = array.chunk_rows * max(1, _PART_ROWS // array.chunk_rows)
        for lo in range(0, self.n, rows):
            yield arrow_values(array.rows(lo, min(self.n, lo + rows)), self.name)

    def take(self, indices: NDArray[np.int64]) -> Any:
        """Return the values at sorted row `indices`; decodes only the chunks that it needs."""
        arrow = require("pyarrow", "parquet", f"reading {self.name}")
        array = self._opener()
        rows, parts = array.chunk_rows or _PART_ROWS, []
        for unit in np.unique(indices // rows).tolist():
            start, end = unit * rows, min(self.n, (unit + 1) * rows)
            lo, hi = np.searchsorted(indices, [start, end])
            part = arrow_values(array.rows(start, end), self.name)
            parts.append(part.take(arrow.array(indices[lo:hi] - start)))
        return arrow.chunked_array(parts, self.kind).combine_chunks()
