"""Assignment on one GPU, of rows that are in its memory or stream to it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._cuda import DeviceArray, DeviceShortlist, Stream
from ally_fast.cluster.cuda_feed import CudaFeed, upload
from ally_fast.ops.assign import assign_on_device, device_stats, packed_points
from ally_fast.ops.shortlist import Shortlist
from ally_fast.rows import Rows


class CudaAssigner:
    """Exact assignment; calls queue work and do not wait for it.

    Parameters
    ----------
    centroids : ndarray of float32 or float64, shape (k, d)
    normalize : bool
        Scale rows to unit length first.
    stream : Stream
        All work is queued on this stream.
    """

    def __init__(self, centroids: NDArray[Any], normalize: bool, stream: Stream) -> None:
        self._stream = stream
        self._normalize = normalize
        self._table = packed_points(upload(np.ascontiguousarray(centroids), stream))
        self._stats = device_stats(stream)
        self._feed = CudaFeed(stream)
        self._masks = CudaFeed(stream)
        self.device = f"cuda:{stream.device}"

    def __call__(self, rows: Rows, eligible: NDArray[np.bool_] | None) -> DeviceArray:
        """Return the cluster of each row; -1 if it is not eligible or not finite."""
        assignments = DeviceArray.empty((len(rows),), np.int32, self._stream)
        for lo, hi, part in self._feed.parts(rows.array):
            mask = None if eligible is None else self._masks.one(eligible[lo:hi].view(np.uint8))
            assign_on_device(
                Rows(part, rows.bf16, self._normalize),
                self._table,
                self._stats,
                mask=mask,
                out=assignments[lo:hi],
            )
        return assignments

    def met_nonfinite(self, *, wait: bool) -> bool:
        """Tell whether an eligible row was not finite; without `wait` this is unknown."""
        return wait and bool(self._stats.to_host()[2])

    def shortlister(
        self, k: int, b: int, weights: NDArray[np.float64], tie_seed: int | None
    ) -> CudaShortlister:
        """Return a collector on the same device."""
        return CudaShortlister(k, b, weights, tie_seed, self._stream)


class CudaShortlister:
    """A shortlist in device memory."""

    def __init__(
        self,
        k: int,
        b: int,
        weights: NDArray[np.float64],
        tie_seed: int | None,
        stream: Stream,
    ) -> None:
        self._shortlist = DeviceShortlist(stream, k, b, weights, tie_seed)
        self._stream = stream
        self._feed = CudaFeed(stream)

    def push(self, assignments: DeviceArray, scores: Any, first: int) -> None:
        """Take rows from `first` on; scores in host memory, or on this device."""
        if isinstance(scores, DeviceArray):
            self._stream.wait_for(scores.stream)
        for lo, hi, part in self._feed.parts(scores):
            self._shortlist.push(assignments[lo:hi], part, first=first + lo)
        if isinstance(scores, DeviceArray):
            scores.stream.wait_for(self._stream)  # freed behind what reads it

    def merge_into(self, shortlist: Shortlist) -> None:
        """Wait, then add what was collected to a shortlist in host memory."""
        shortlist.merge_entries(*self._shortlist.fetch())
