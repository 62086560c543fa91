"""The file under a memory map; other processes may change it."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray


def mapped(
    file: IO[bytes],
    dtype: np.dtype[Any],
    offset: int,
    shape: tuple[int, ...],
    order: Literal["C", "F"] = "C",
) -> NDArray[Any]:
    """Return a memory map of the values that begin at a byte of an open file, to read in order.

    The caller must have checked that the file holds them.
    """
    if 0 in shape:
        return np.empty(shape, dtype, order)
    array = np.memmap(file, dtype, "r", offset, shape, order)
    base: object = array.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_SEQUENTIAL"):
        base.madvise(mmap.MADV_SEQUENTIAL)  # a cold file then comes in large pieces
    return array


class MappedFile:
    """A file as it was when this object first saw its memory map.

    Parameters
    ----------
    array : np.memmap
        The map itself, not a view of it.

    Notes
    -----
    `check` looks at the size of the open file, because a process that touches a page beyond the
    end dies of SIGBUS. For a read-only map it also compares the file at the path, its size and its
    modification time; a writable map changes these itself. If the file is no longer at its path,
    that is no error: the mapped pages stay.

    A change between two checks is found by the second. If the file is truncated in between, a
    process that touches a lost page before the second check still dies.
    """

    def __init__(self, array: np.memmap[Any, Any]) -> None:
        self._map: mmap.mmap = array.base  # type: ignore[assignment]
        self._path = os.fspath(array.filename) if array.filename else None
        self._compared = array.mode == "r" and self._path is not None
        self._before = self._stamp() if self._compared else None

    @classmethod
    def under(cls, array: NDArray[Any]) -> MappedFile | None:
        """Return the file under a memory map or a view of one; None for any other array."""
        while True:
            owner: object = array.base
            if isinstance(array, np.memmap) and isinstance(owner, mmap.mmap):
                return cls(array)
            if not isinstance(owner, np.ndarray):
                return None
            array = owner

    def check(self) -> None:
        """Raise ValueError if the file was truncated, changed or replaced."""
        changed = self._map.size() < len(self._map)
        if self._compared and not changed:
            now = self._stamp()
            changed = now is not None and now != self._before
        if changed:
            raise ValueError(f"{self._path or 'a memory map'}: the file changed while it was read")

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Check before and after the block, which reads."""
        self.check()
        yield
        self.check()

    def _stamp(self) -> tuple[int, ...] | None:
        assert self._path is not None
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def in_memory(array: NDArray[Any]) -> NDArray[Any]:
    """Return a copy of a memory map, read between two checks; any other array as it is."""
    file = MappedFile.under(array)
    if file is None:
        return array
    with file.unchanged():
        return np.array(array)
