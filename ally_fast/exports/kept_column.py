"""A column to keep, read once for both `SelectionInfo.kept` and the written batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.pools.column import Column


class KeptColumn:
    """A column that remembers the values last taken, with their Arrow types.

    Parameters
    ----------
    column : Column
        The column to read.
    """

    def __init__(self, column: Column) -> None:
        self._column = column
        self.name = column.name
        self.kind = getattr(column, "kind", None)
        self._last: tuple[NDArray[np.int64], Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return the state to pickle, without the values read."""
        return {**self.__dict__, "_last": None}

    def numbers(self, **options: Any) -> NDArray[Any]:
        """Return all values; see `Column`."""
        return self._column.numbers(**options)

    def parts(self) -> Iterator[Any]:
        """Yield all values; see `Column`."""
        return self._column.parts()

    def take(self, indices: NDArray[np.int64]) -> Any:
        """Return the values at sorted row `indices`; the same indices again are not read again."""
        if self._last is None or not np.array_equal(self._last[0], indices):
            self._last = indices, self._column.take(indices)
        return self._last[1]
