"""A column with one value in all rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require

_PART_ROWS = 1 << 20


class ConstantColumn:
    """The same text in every row, from the name of a folder (``date=2026-01-31``).

    Parameters
    ----------
    name : str
        For messages.
    value : str
    n : int
        Number of rows.
    """

    def __init__(self, name: str, value: str, n: int) -> None:
        self.name, self._value, self._n = name, value, n

    def numbers(
        self, *, n: int | None = None, most: int | None = None, allow_null: bool = False
    ) -> NDArray[Any]:
        """Raise TypeError: the value is a text."""
        raise TypeError(f"{self.name} must hold numbers; it holds the text {self._value!r}")

    def parts(self) -> Iterator[Any]:
        """Yield the value once for each row."""
        for lo in range(0, self._n, _PART_ROWS):
            yield self._times(min(self._n - lo, _PART_ROWS))

    def take(self, indices: NDArray[np.int64]) -> Any:
        """Return the value for each of the indices."""
        return self._times(len(indices))

    def _times(self, count: int) -> Any:
        arrow = require("pyarrow", "parquet", f"reading {self.name}")
        return arrow.repeat(arrow.scalar(self._value, arrow.large_string()), count)
