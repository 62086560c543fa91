"""Copy rows to a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import _settings
from ally_fast._cuda import DeviceArray, Stream, UploadRing

_SLOTS = 3  # one packed, one copied, one computed on
_SMALLEST_SLOT = 1 << 20


class CudaFeed:
    """A ring of pinned buffers through which rows in host memory reach a GPU.

    Parameters
    ----------
    stream : Stream
        The stream that uses the rows.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._ring: UploadRing | None = None
        self._slot_bytes = 0
        self._short = False  # of memory: slots do not grow any more

    def parts(self, array: Any) -> Iterator[tuple[int, int, DeviceArray]]:
        """Yield (lo, hi, rows ``lo`` to ``hi`` in device memory) until they cover `array`.

        An array that is in device memory already gives one part. Queue what reads a part before you
        ask for the next one.
        """
        if not isinstance(array, np.ndarray):
            yield 0, len(array), array
            return
        row_bytes = array.itemsize * (array.shape[1] if array.ndim == 2 else 1)
        self._make_ring(max(array.nbytes, 1), row_bytes)
        assert self._ring is not None
        rows = max(1, self._slot_bytes // max(row_bytes, 1))
        for lo in range(0, len(array), rows):
            hi = min(len(array), lo + rows)
            yield lo, hi, self._ring.upload(array[lo:hi], threads=_settings.threads())

    def one(self, array: NDArray[Any]) -> DeviceArray:
        """Return a copy of a small array in device memory, valid until you ask for three more."""
        parts = list(self.parts(array)) if not self._short else []
        return parts[0][2] if len(parts) == 1 else upload(array, self._stream)

    def _make_ring(self, slot_bytes: int, row_bytes: int) -> None:
        """Make a ring of slots of `slot_bytes`, or of fewer bytes if memory is short."""
        if slot_bytes <= self._slot_bytes or self._short:
            return
        self._ring = None
        while self._ring is None:
            try:
                self._ring = UploadRing(self._stream, slot_bytes, _SLOTS)
                self._slot_bytes = slot_bytes
            except MemoryError:
                if slot_bytes <= max(_SMALLEST_SLOT, row_bytes):
                    raise
                self._short = True
                slot_bytes = max(slot_bytes // 2, row_bytes)


def upload(array: NDArray[Any], stream: Stream) -> DeviceArray:
    """Return a copy in device memory."""
    return DeviceArray.from_host(array, stream)
