"""The protocol of an array that a library reads from a file in slices of rows."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

_MOST_CHUNK_BYTES = 1 << 30
_ANY_CHUNK_BYTES = 64 << 20


class SlicedArray(Protocol):
    """An array in an open file, stored in chunks of rows or in one piece.

    Attributes
    ----------
    name : str
        File and key, for messages.
    shape : tuple of int
    dtype : np.dtype
        The dtype of the rows read.
    chunk_rows : int or None
        Number of rows decoded together; None: stored in one piece, without encoding.
    chunk_bytes : int
        Number of bytes decoded together, including those outside the array; 0: stored in one
        piece.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunk_rows: int | None
    chunk_bytes: int

    def rows(self, lo: int, hi: int) -> NDArray[Any]:
        """Return rows ``lo`` to ``hi`` (exclusive)."""
        ...

    def is_written(self, row: int) -> bool:
        """Tell whether the file holds the chunks of a row; an array can have gaps."""
        ...

    def check(self) -> None:
        """Raise ValueError if anything read has changed since."""
        ...


def check_chunks(array: SlicedArray) -> None:
    """Raise ValueError if chunks are too large, because each is decoded as a whole.

    A chunk is too large if it exceeds 1 GiB, or exceeds both 64 MiB and the whole array.
    """
    most = most_chunk_bytes(array)
    if array.chunk_bytes > most:
        raise ValueError(
            f"{array.name}: is stored in chunks of {array.chunk_bytes} bytes, needs at most "
            f"{most}; write it in smaller chunks"
        )


def most_chunk_bytes(array: SlicedArray) -> int:
    """Return how many bytes a chunk may take; an array does not tell how long its texts are."""
    if array.dtype.kind in "OT":
        return _MOST_CHUNK_BYTES
    size = math.prod(array.shape) * array.dtype.itemsize
    return min(_MOST_CHUNK_BYTES, max(_ANY_CHUNK_BYTES, size))
