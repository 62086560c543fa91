"""Dual scores: any array of numbers, one for each row, finite for eligible rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.arrays import ArrayView, as_array, beyond_float64, decoded
from ally_fast.device_arrays import DeviceView, as_device_array, device_of
from ally_fast.memory import to_host
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
    eligible : ndarray of bool, shape (n,), optional
        Rows whose scores count (None: all). Other scores may be anything.

    Raises
    ------
    ValueError
        If there are not `n` scores, or one that counts is NaN, infinite, or an integer that float64
        cannot hold.
    """

    def __init__(self, dual_scores: Any, n: int, eligible: NDArray[np.bool_] | None = None) -> None:
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
        if isinstance(view, ArrayView) or count_nonfinite(view.array, bf16=view.bf16)[0]:
            self._check(n, eligible)

    def _check(self, n: int, eligible: NDArray[np.bool_] | None) -> None:
        integers = self._array.dtype.kind in "iu" and not self._bf16
        count, first = 0, -1
        for lo, hi in chunks(n, _CHECK_ROWS):
            if integers:
                bad = beyond_float64(self._array[lo:hi])
            else:
                bad = ~np.isfinite(self.read(lo, hi))
            if eligible is not None:
                bad &= eligible[lo:hi]
            if bad.any():
                first = lo + int(bad.argmax()) if first < 0 else first
                count += int(bad.sum())
        if not count:
            return
        wrong, needed = "NaN or infinite", "finite values"
        if integers:
            wrong = "integers that float64 cannot hold"
            needed = "integers up to 2**53, which float64 holds exactly"
        among = n if eligible is None else int(np.count_nonzero(eligible))
        raise ValueError(
            f"dual_scores: {count} of {among} scores are {wrong}, the first is in row {first}; "
            f"needs {needed}"
        )

    def read(self, lo: int, hi: int, device: str = "cpu") -> Any:
        """Return scores ``lo`` to ``hi`` (exclusive), contiguous: float64 in host memory.

        Scores on a GPU stay there, unchanged, if that `device` asks for them. Scores in a
        memory-mapped file are copied, and the file is checked for changes before and after.
        """
        if device != "cpu" and device == self.device and not self._bf16:
            return self._array[lo:hi]
        if self._file is not None:
            with self._file.unchanged():
                part = self._array[lo:hi].copy()
        else:
            part = to_host(self._array[lo:hi])
        part = decoded(part, self._bf16)
        return np.ascontiguousarray(part, np.float64)
