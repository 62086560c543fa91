"""Texts of variable length in an HDF5 data set."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.pools.hdf5_bytes import Hdf5Bytes
from ally_fast.pools.hdf5_heap import Hdf5Heap


class Hdf5Texts:
    """The texts of a data set of one dimension, with any filters.

    The data set holds references into heaps. The library would follow them unchecked, so this
    class takes them from the file, and `Hdf5Heap` reads the texts.

    Parameters
    ----------
    data : h5py.Dataset
        A data set of texts of variable length.
    file : Hdf5Bytes
        Its file.

    Raises
    ------
    ValueError
        If the references lie in the data set's header. Also if the file is damaged, here or on
        reading.
    """

    def __init__(self, data: Any, file: Hdf5Bytes) -> None:
        self._h5py = h5py = require("h5py", "hdf5")
        self._data, self._file = data, file
        self._encoding = h5py.check_string_dtype(data.dtype).encoding
        self._heap = Hdf5Heap(file)
        settings = data.id.get_create_plist()
        if settings.get_layout() == h5py.h5d.COMPACT:
            raise ValueError(
                "its texts lie in its header (compact); write it contiguous or chunked"
            )
        self._filters = [settings.get_filter(i) for i in range(settings.get_nfilters())]

    def rows(self, lo: int, hi: int) -> NDArray[Any]:
        """Return texts ``lo`` to ``hi`` (exclusive) as an array of str; all must be written."""
        references = self._chunked(lo, hi) if self._data.chunks else self._contiguous(lo, hi)
        rows = np.empty(hi - lo, object)
        # HDF5 ends a text at its first NUL, as C does.
        rows[:] = [
            text.partition(b"\0")[0].decode(self._encoding) for text in self._heap.texts(references)
        ]
        return rows

    def _contiguous(self, lo: int, hi: int) -> NDArray[Any]:
        width = self._heap.reference.itemsize
        if (place := self._data.id.get_offset()) is None:
            return np.empty(0, self._heap.reference)  # no row is written, and none is requested
        start = place - self._file.start + lo * width
        return np.frombuffer(self._file.read(start, (hi - lo) * width), self._heap.reference)

    def _chunked(self, lo: int, hi: int) -> NDArray[Any]:
        rows, parts = self._data.chunks[0], []
        for start in range(lo // rows * rows, hi, rows):
            parts.append(self._chunk(start)[max(0, lo - start) : hi - start])
        return np.concatenate([np.empty(0, self._heap.reference), *parts])

    def _chunk(self, start: int) -> NDArray[Any]:
        stored = self._data.id.get_chunk_info_by_coord((start,))
        if stored.byte_offset + stored.size > self._file.start + self._file.end:
            raise ValueError("damaged: a chunk ends beyond the file")
        mask, content = self._data.id.read_direct_chunk((start,))
        filters = [one for number, one in enumerate(self._filters) if not mask >> number & 1]
        if filters:
            return self._decoded(content, filters)
        if len(content) != self._data.chunks[0] * self._heap.reference.itemsize:
            raise ValueError("damaged: a chunk has another size than its rows")
        return np.frombuffer(content, self._heap.reference)

    def _decoded(self, content: bytes, filters: list[Any]) -> NDArray[Any]:
        """Decode the references in a chunk, through a data set of plain bytes in memory."""
        h5py, rows = self._h5py, np.empty(self._data.chunks, self._heap.reference)
        with h5py.File(BytesIO(), "w") as file:
            settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            settings.set_chunk(rows.shape)
            for code, flags, values, _ in filters:
                settings.set_filter(code, flags, values)
            kind = h5py.h5t.py_create(np.dtype(f"V{rows.itemsize}"))
            space = h5py.h5s.create_simple(rows.shape)
            twin = h5py.h5d.create(file.id, b"chunk", kind, space, settings)
            twin.write_direct_chunk((0,), content)
            twin.read(h5py.h5s.ALL, h5py.h5s.ALL, rows, kind)
        return rows
