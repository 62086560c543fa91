"""A column over a one-dimensional array in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.arrays import BFLOAT16, decoded
from ally_fast.pools.arrow_values import arrow_values
from ally_fast.pools.mapped_file import in_memory

_PART_ROWS = 1 << 20


class ArrayColumn:
    """Numbers, truth values or texts in a file that holds them as an array.

    Parameters
    ----------
    name : str
        File and key, for messages.
    read : callable
        Returns the array. Takes ``n`` and ``most`` (see `Column.numbers`), and ``texts``, which
        says whether texts are allowed.
    """

    def __init__(self, name: str, read: Callable[..., NDArray[Any]]) -> None:
        self.name = name
        self._read = read

    @property
    def n(self) -> int:
        """Number of rows; an array that is not memory-mapped is read for it."""
        return len(self._read(texts=True))

    def numbers(
        self, *, n: int | None = None, most: int | None = None, allow_null: bool = False
    ) -> NDArray[Any]:
        """Return the array itself, memory-mapped if the file allows it; see `Column`."""
        return self._numbers(self._read(n=n, most=most, texts=False))

    def parts(self) -> Iterator[Any]:
        """Yield all values in order, as Arrow arrays of bounded size."""
        array = self._read(texts=True)
        for lo in range(0, len(array), _PART_ROWS):
            yield self._arrow(in_memory(array[lo : lo + _PART_ROWS]))

    def take(self, indices: NDArray[np.int64]) -> Any:
        """Return the values at sorted row `indices`, which may repeat, as an Arrow array."""
        return self._arrow(in_memory(self._read(texts=True))[indices])

    def _arrow(self, values: NDArray[Any]) -> Any:
        return arrow_values(self._numbers(values), self.name)

    def _numbers(self, values: NDArray[Any]) -> NDArray[Any]:
        return decoded(values.view(np.uint16), True) if values.dtype == BFLOAT16 else values
