"""The protocol of an array that a library reads from a file, a slice of rows at a time."""

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
        As it is read.
    chunk_rows : int or None
        The rows that are decoded together; None: stored in one piece, as they are.
    chunk_bytes : int
        What is decoded together, whatever of it lies within the array; 0: stored in one piece.
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
        """Tell whether the chunks that hold a row are in the file; an array can have gaps."""
        ...

    def check(self) -> None:
        """Raise ValueError if what was read has changed since."""
        ...


def check_chunks(array: SlicedArray) -> None:
    """Raise ValueError if chunks are too large to be decoded as a whole.

    They are if they have more than 1 GiB, or more than 64 MiB and than the array.
    """
    most = most_chunk_bytes(array)
    if array.chunk_bytes > most:
        raise ValueError(
            f"{array.name}: is stored in chunks of {array.chunk_bytes} bytes, needs at most "
            f"{most}; write it in smaller chunks"
        )


def most_chunk_bytes(array: SlicedArray) -> int:
    """Return how many bytes a chunk may take; how long texts are, no array tells."""
    if array.dtype.kind in "OT":
        return _MOST_CHUNK_BYTES
    size = math.prod(array.shape) * array.dtype.itemsize
    return min(_MOST_CHUNK_BYTES, max(_ANY_CHUNK_BYTES, size))
