"""The protocol of an array that a library reads from a file, a slice of rows at a time."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

_MOST_CHUNK_BYTES = 1 << 30


class SlicedArray(Protocol):
    """An array in an open file, stored in chunks of rows or in one piece.

    Attributes
    ----------
    name : str
        File and key, for messages.
    shape : tuple of int
    dtype : np.dtype
        As it is read.
    chunk_rows : int or None
        The rows that are decoded together; None: stored in one piece, as they are.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunk_rows: int | None

    def rows(self, lo: int, hi: int) -> NDArray[Any]:
        """Return rows ``lo`` to ``hi`` (exclusive)."""
        ...

    def is_written(self, row: int) -> bool:
        """Tell whether the chunks that hold a row are in the file; an array can have gaps."""
        ...

    def check(self) -> None:
        """Raise ValueError if what was read has changed since."""
        ...


def check_chunks(array: SlicedArray, row_bytes: int) -> None:
    """Raise ValueError if the chunks of an array are too large to be decoded as a whole."""
    held = (array.chunk_rows or 0) * row_bytes
    if held > _MOST_CHUNK_BYTES:
        raise ValueError(
            f"{array.name}: is stored in chunks of {held} bytes, needs at most "
            f"{_MOST_CHUNK_BYTES}; write it in smaller ones"
        )
