"""Data sets in HDF5 files."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.pools.foreign_errors import foreign_errors
from ally_fast.pools.hdf5_bytes import Hdf5Bytes
from ally_fast.pools.hdf5_groups import check_groups
from ally_fast.pools.hdf5_texts import Hdf5Texts
from ally_fast.pools.location import Location
from ally_fast.pools.names import chosen, quoted

_NOT_ONE = "not a readable HDF5 file"


class Hdf5Array:
    """A data set of an HDF5 file; the file is open, read-only, as long as this object lives.

    Parameters
    ----------
    location : Location
        The file.
    key : str or None
        Groups and name, ``group/dataset``; None: the only data set with `ndim` dimensions.
    ndim : int
        The number of dimensions needed.

    Raises
    ------
    ImportError
        If h5py is not installed.
    ValueError
        If the file is damaged or has no such data set. Also if the data set is virtual, lies in
        other files, or needs a filter that is not installed.
    TypeError
        If the data set holds neither numbers nor texts.
    """

    def __init__(self, location: Location, key: str | None, ndim: int) -> None:
        self._files = ExitStack()
        try:
            self._file, self._bytes = self._files.enter_context(_opened(location))
            self._open(location.name, key, ndim)
            self._texts = self._texts_found()
        except BaseException:
            self._files.close()
            raise

    def __del__(self) -> None:
        """Close the file."""
        self._files.close()

    def rows(self, lo: int, hi: int) -> NDArray[Any]:
        """Return rows ``lo`` to ``hi`` (exclusive); all rows of a column must have been written."""
        if len(self.shape) == 1:
            for row in range(lo, hi, self.chunk_rows or max(1, hi - lo)):
                if not self.is_written(row):
                    raise ValueError(f"{self.name}: row {row} was never written")
        with foreign_errors(self.name, f"rows {lo} to {hi}"):
            if self._texts is not None:
                return self._texts.rows(lo, hi)
            rows: NDArray[Any] = self._data[lo:hi]
        return rows

    def is_written(self, row: int) -> bool:
        """Tell whether the file has space for a row; a data set can have gaps."""
        identity = self._data.id
        if self.chunk_rows is None:
            return bool(identity.get_storage_size() >= self._data.size)  # at least a byte each
        with foreign_errors(self.name, f"row {row}"):
            corner = row // self.chunk_rows * self.chunk_rows
            for place in range(0, *self._data.shape[1:2] or (1,), *self._data.chunks[1:2] or (1,)):
                at = (corner, place)[: self._data.ndim]
                if identity.get_chunk_info_by_coord(at).byte_offset is None:
                    return False
        return True

    def check(self) -> None:
        """Do nothing: rows are copies, and the pool compares the file's stamp."""

    def _open(self, path: str, key: str | None, ndim: int) -> None:
        h5py = require("h5py", "hdf5", f"reading {path}")
        with foreign_errors(path, _NOT_ONE):
            shapes = _shapes(self._file, h5py)
        key = chosen(path, key and key.strip("/"), shapes, ndim)
        self.name = f"{path}: key {quoted(key)}"
        with foreign_errors(self.name, _NOT_ONE):
            self._data = self._file[key]
            self.shape: tuple[int, ...] = self._data.shape
            self.dtype: np.dtype[Any] = self._data.dtype
            chunks = self._data.chunks
            is_elsewhere = self._data.is_virtual or self._data.external
            filters = self._filters_missing(h5py)
        self.chunk_rows: int | None = chunks[0] if chunks else None
        self.chunk_bytes = math.prod(chunks or (0,)) * self.dtype.itemsize
        if is_elsewhere:
            raise ValueError(
                f"{self.name}: its values lie in other files; copy them into one data set"
            )
        if self.dtype.kind == "O" and h5py.check_string_dtype(self.dtype) is None:
            raise TypeError(f"{self.name} must hold numbers or texts; it holds objects")
        if filters:
            raise ValueError(
                f"{self.name}: is compressed by {filters}, which HDF5 lacks here; first import a "
                "package that adds it, such as hdf5plugin"
            )

    def _texts_found(self) -> Hdf5Texts | None:
        if self.dtype.kind != "O":
            return None
        with foreign_errors(self.name, _NOT_ONE):
            return Hdf5Texts(self._data, self._bytes)

    def _filters_missing(self, h5py: Any) -> str | None:
        settings = self._data.id.get_create_plist()
        for number in range(settings.get_nfilters()):
            code, _, _, name = settings.get_filter(number)
            if not h5py.h5z.filter_avail(code):
                return f"filter {code} ({quoted(name.decode(errors='replace'))})"
        return None


def hdf5_keys(location: Location) -> list[str]:
    """Return the names of the data sets in a file; raises the errors of `Hdf5Array`."""
    h5py = require("h5py", "hdf5", f"reading {location.name}")
    with _opened(location) as (file, _), foreign_errors(location.name, _NOT_ONE):
        return list(_shapes(file, h5py))


@contextmanager
def _opened(location: Location) -> Iterator[tuple[Any, Hdf5Bytes]]:
    """Open a file twice, with h5py and as bytes, and check its groups."""
    h5py = require("h5py", "hdf5", f"reading {location.name}")
    with ExitStack() as files:
        with foreign_errors(location.name, _NOT_ONE):
            # Where the file system has locks (some network ones have none), keep writers away.
            source = location.path if location.filesystem is None else location.open()
            try:
                file = files.enter_context(h5py.File(source, "r", locking="best-effort"))
            except BlockingIOError:
                raise ValueError("another process is writing it") from None
            content = Hdf5Bytes(files.enter_context(location.open()), file.userblock_size)
            check_groups(content)
        yield file, content


def _shapes(file: Any, h5py: Any) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the data sets by name, without following links to other files."""
    shapes = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            shapes[name] = item.shape or ()

    file.visititems(visit)
    return shapes
