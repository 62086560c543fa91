"""A ``.npy`` file behind a URL, which cannot be mapped into memory."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from ally_fast.pools.host_pool import HostPool
from ally_fast.pools.location import Location
from ally_fast.pools.numpy_file import named, read_header
from ally_fast.pools.pool import computable
from ally_fast.rows import Rows

_GAP_BYTES = 1 << 20  # one request fetches rows that are closer than this
_MOST_BYTES = 16 << 20
_HEAD_BYTES = 16 << 10  # more than the longest header


class StreamedArray(HostPool):
    """Rows of a two-dimensional array, fetched by ranges of bytes.

    Parameters
    ----------
    location : Location
        A file in C order.

    Raises
    ------
    ValueError
        If the file is damaged, has another number of dimensions, or is in Fortran order.
    """

    streamed = True

    def __init__(self, location: Location) -> None:
        self._location = location
        with named(location.name):
            size = location.size()
            head = BytesIO(location.read(0, min(size, _HEAD_BYTES)))
            header = read_header(head, size, False)
            if len(header.shape) != 2 or (header.fortran_order and 1 not in header.shape):
                order = " in Fortran order" if header.fortran_order else ""
                raise ValueError(
                    f"need one row of values per example, in C order; got shape {header.shape}"
                    f"{order}"
                )
        self._start, self._dtype = header.length, header.dtype
        self.n, self.d = header.shape
        self.dtype_name, self.itemsize = header.dtype.name, header.dtype.itemsize

    def read(self, lo: int, hi: int) -> Rows:
        """Return rows ``lo`` to ``hi`` (exclusive)."""
        width = self.d * self.itemsize
        start = self._start + lo * width
        with named(self._location.name):
            content = self._location.read(start, start + (hi - lo) * width) if lo < hi else b""
            if len(content) != (hi - lo) * width:
                raise ValueError("the file changed while it was read")
        return computable(np.frombuffer(content, self._dtype).reshape(hi - lo, self.d), False)

    def gather(self, indices: NDArray[np.int64]) -> Rows:
        """Return the rows at sorted pool `indices`; one request fetches rows close together."""
        width = self.d * self.itemsize
        rows = np.empty(
            (len(indices), self.d), computable(np.empty(0, self._dtype), False).array.dtype
        )
        starts = np.flatnonzero(np.diff(indices, prepend=-1) * width > _GAP_BYTES)
        bounds = np.union1d(starts, [0, len(indices)])
        for lo, hi in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            while lo < hi:
                first = int(indices[lo])
                end = int(np.searchsorted(indices[lo:hi], first + max(1, _MOST_BYTES // width)))
                part = indices[lo : lo + end]
                rows[lo : lo + end] = self.read(first, int(part[-1]) + 1).array[part - first]
                lo += end
        return Rows(rows)
