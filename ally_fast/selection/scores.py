"""Dual scores: any array of numbers, one per row, finite."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ally_fast.arrays import ArrayView, as_array
from ally_fast.device_arrays import DeviceView, as_device_array, device_of, to_host
from ally_fast.ops.shortlist import count_nonfinite
from ally_fast.pools.chunks import chunks
from ally_fast.pools.mapped_file import MappedFile

_CHECK_ROWS = 1 << 20


class Scores:
    """Dual scores as float64, a part at a time.

    Parameters
    ----------
    dual_scores : array, shape (n,)
        Any dtype of numbers, in any memory; never copied as a whole and never changed.
    n : int
        Rows of the pool.

    Raises
    ------
    ValueError
        If their number is not `n`, or some are NaN or infinite.
    """

    def __init__(self, dual_scores: Any, n: int) -> None:
        self.device = device_of(dual_scores)
        view: ArrayView | DeviceView
        if self.device == "cpu":
            view = as_array(dual_scores, "dual_scores", ndim=1)
        else:
            view = as_device_array(dual_scores, "dual_scores", ndim=1)
            if view.array.strides != (view.array.dtype.itemsize,):
                view = replace(view, array=view.array.take())
        if len(view.array) != n:
            raise ValueError(f"dual_scores: got {len(view.array)}, needs one for each of {n} rows")
        self._array: Any = view.array
        self._bf16 = view.bf16
        self._file = MappedFile.under(view.array) if isinstance(view, ArrayView) else None
        count, first = self._nonfinite(n)
        if count:
            raise ValueError(
                f"dual_scores: {count} of {n} are NaN or infinite, the first is row {first}; "
                "needs finite values"
            )

    def _nonfinite(self, n: int) -> tuple[int, int]:
        """Return how many scores are not finite, and the first of them (-1: none)."""
        if self.device != "cpu":
            return count_nonfinite(self._array, bf16=self._bf16)
        count, first = 0, -1
        for lo, hi in chunks(n, _CHECK_ROWS):
            bad = ~np.isfinite(self.read(lo, hi))
            if bad.any():
                first = lo + int(bad.argmax()) if first < 0 else first
                count += int(bad.sum())
        return count, first

    def read(self, lo: int, hi: int, device: str = "cpu") -> Any:
        """Return scores ``lo`` to ``hi`` (exclusive), contiguous: float64 in host memory.

        Those on a `device` stay there, as they are, if that is where they are wanted. Those in a
        memory-mapped file are copied, between two checks that it has not changed.
        """
        if device != "cpu" and device == self.device and not self._bf16:
            return self._array[lo:hi]
        if self._file is not None:
            with self._file.unchanged():
                part = self._array[lo:hi].copy()
        else:
            part = to_host(self._array[lo:hi])
        if self._bf16:
            part = (part.astype(np.uint32) << 16).view(np.float32)
        return np.ascontiguousarray(part, np.float64)
