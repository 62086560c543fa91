"""A one-dimensional array in an ``.npy`` or ``.npz`` file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.pools.location import Location
from ally_fast.pools.mapped_file import in_memory
from ally_fast.pools.names import quoted
from ally_fast.pools.numpy_file import numpy_array

_PART_ROWS = 1 << 20


class NumpyColumn:
    """Numbers, truth values or texts in a NumPy file.

    Parameters
    ----------
    location : Location
        The file.
    key : str or None
        Of an ``.npz``; None: its only array.
    """

    def __init__(self, location: Location, key: str | None) -> None:
        self.name = f"{location.name}: key {quoted(key)}" if key else location.name
        self._location, self._key = location, key

    def numbers(
        self, *, n: int | None = None, most: int | None = None, allow_null: bool = False
    ) -> NDArray[Any]:
        """Return the array itself, memory-mapped if it is alone in its file; see `Column`."""
        return numpy_array(self._location, self._key, ndim=1, n=n, most=most)

    def parts(self) -> Iterator[Any]:
        """Yield all values in order, as Arrow arrays of bounded size."""
        array = self._array()
        for lo in range(0, len(array), _PART_ROWS):
            yield self._arrow(in_memory(array[lo : lo + _PART_ROWS]))

    def take(self, indices: NDArray[np.int64]) -> Any:
        """Return the values at sorted row `indices`, which may repeat, as an Arrow array."""
        return self._arrow(in_memory(self._array())[indices])

    def _array(self) -> NDArray[Any]:
        return numpy_array(self._location, self._key, ndim=1, texts=True)

    def _arrow(self, values: NDArray[Any]) -> Any:
        arrow = require("pyarrow", "parquet", f"reading {self.name}")
        if values.dtype.kind == "S":
            values = np.char.decode(values, "utf-8")
        if values.dtype.kind == "U":
            return arrow.array(values.tolist(), arrow.large_string())
        return arrow.array(values.astype(values.dtype.newbyteorder("="), copy=False))
