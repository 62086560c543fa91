"""Arrays in Zarr folders."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.pools.foreign_errors import foreign_errors
from ally_fast.pools.location import Location
from ally_fast.pools.names import chosen, quoted
from ally_fast.pools.sliced_array import most_chunk_bytes
from ally_fast.pools.zarr_metadata import ZarrMetadata, zarr_metadata

Seen = dict[str, tuple[Any, ...] | None]


class ZarrArray:
    """An array of a Zarr folder, in format 2 or 3.

    Parameters
    ----------
    location : Location
        The folder: an array, or a group of arrays.
    key : str or None
        The array's path in the group; None: the only array with `ndim` dimensions.
    ndim : int
        The number of dimensions needed.
    seen : dict
        The files read so far, with their sizes and times. This object adds to it.

    Raises
    ------
    ImportError
        If zarr is not installed.
    ValueError
        If the folder is damaged or has no such array, or if the array's values are pickled.
    """

    def __init__(self, location: Location, key: str | None, ndim: int, seen: Seen) -> None:
        arrays = _arrays(location)
        key = key and key.strip("/")
        if key and list(arrays) == [""]:
            raise ValueError(f"{location.name}: is one array, without keys; got {quoted(key)}")
        key = chosen(
            location.name, key, {name: array.shape for name, array in arrays.items()}, ndim
        )
        self.name = f"{location.name}: key {quoted(key)}" if key else location.name
        self._folder, self._metadata = location.inside(key), arrays[key]
        self._seen = seen
        self._read: set[str] = set()
        self._array = self._opened()
        self.shape: tuple[int, ...] = self._array.shape
        self.dtype: np.dtype[Any] = self._array.dtype
        self.chunk_rows: int | None = self._array.chunks[0] if self.shape else None
        self.chunk_bytes = math.prod(self._array.chunks or (0,)) * self.dtype.itemsize
        if self.shape != self._metadata.shape:
            raise ValueError(f"{self.name}: the file changed while it was read")
        self._note(self._metadata.file)

    def rows(self, lo: int, hi: int) -> NDArray[Any]:
        """Return rows ``lo`` to ``hi`` (exclusive); unwritten places hold the fill value."""
        for file in self._metadata.files(lo, hi):
            self._note(file)
        with foreign_errors(self.name, f"rows {lo} to {hi}"):
            return np.asarray(self._array[lo:hi])

    def is_written(self, row: int) -> bool:
        """Tell whether the files that hold a row exist; an array can have gaps."""
        return all(self._stamp(file) is not None for file in self._metadata.files(row, row + 1))

    def check(self) -> None:
        """Raise ValueError if a file that was read since the last check has changed."""
        read, self._read = self._read, set()
        for file in read:
            self._note(file)
        self._read = set()

    def _note(self, file: str) -> None:
        """Compare a file with its state when it was first read; check its form the first time."""
        stamp = self._stamp(file) if self._folder.filesystem is None else ()
        if self._seen.get(file, stamp) != stamp:
            raise ValueError(f"{self.name}: {file}: the file changed while it was read")
        if file not in self._seen and file != self._metadata.file:
            with suppress(FileNotFoundError):
                self._metadata.chunk_file.check(self._folder.inside(file), most_chunk_bytes(self))
        self._seen[file] = stamp
        self._read.add(file)

    def _stamp(self, file: str) -> tuple[Any, ...] | None:
        location = self._folder.inside(file)
        try:
            return location.stamp()
        except FileNotFoundError:
            return None

    def _opened(self) -> Any:
        zarr = require("zarr", "zarr", f"reading {self.name}")
        if self._metadata.file == "zarr.json" and int(zarr.__version__.split(".")[0]) < 3:
            raise ValueError(
                f"{self.name}: is of format 3, which zarr {zarr.__version__} does not read: "
                "pip install -U 'zarr>=3', with Python 3.11 or later"
            )
        folder = self._folder
        with foreign_errors(self.name, "not a readable Zarr array"):
            remote = folder.filesystem
            store = folder.path if remote is None else remote.get_mapper(folder.path)
            return zarr.open_array(store, mode="r")


def zarr_keys(location: Location) -> list[str]:
    """Return the paths of the arrays in a group; none if the folder is one array."""
    return [name for name in _arrays(location) if name]


def _arrays(location: Location) -> dict[str, ZarrMetadata]:
    """Return the arrays by path; the folder's own path is empty."""
    return dict(_walk(location, ""))


def _walk(location: Location, path: str) -> Iterator[tuple[str, ZarrMetadata]]:
    folder = location.inside(path)
    if (metadata := zarr_metadata(folder)) is not None:
        yield path, metadata
        return
    for name in folder.folders():
        yield from _walk(location, f"{path}/{name}".lstrip("/"))
