"""Find the rows within a radius of some points, on a GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import _cuda
from ally_fast._cuda import DeviceArray, Stream
from ally_fast.cluster.cuda_feed import CudaFeed, upload
from ally_fast.cluster.host_engine import HostNearness
from ally_fast.rows import Rows


class CudaNearness:
    """Tells which rows lie within `radius` of one of `points`."""

    def __init__(
        self, points: NDArray[Any], radius: float, normalize: bool, stream: Stream
    ) -> None:
        self._table = _cuda.PackedPoints(upload(np.ascontiguousarray(points), stream))
        self._radius = radius
        self._normalize = normalize
        self._stream = stream
        self._feed = CudaFeed(stream)
        self._made_with = (points, radius, normalize)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the object that does the same on the host."""
        return HostNearness, self._made_with

    def __call__(
        self, rows: Rows, first: int = 0, mask: NDArray[np.bool_] | None = None
    ) -> DeviceArray:
        """Return one boolean for each row, in device memory."""
        within = DeviceArray.empty((len(rows),), np.bool_, self._stream)
        for lo, hi, part in self._feed.parts(rows.array):
            _cuda.radius_filter(
                part,
                self._table,
                self._radius,
                within[lo:hi],
                bf16=rows.bf16,
                normalize=self._normalize,
            )
        return within
