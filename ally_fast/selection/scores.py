"""Dual scores: any array of numbers, one per row, finite."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.arrays import as_array
from ally_fast.pools.chunks import chunks

_CHECK_ROWS = 1 << 20


class Scores:
    """Dual scores as float64, a part at a time.

    Parameters
    ----------
    dual_scores : array, shape (n,)
        Any dtype of numbers; never copied as a whole and never changed.
    n : int
        Rows of the pool.

    Raises
    ------
    ValueError
        If their number is not `n`, or some are NaN or infinite.
    """

    def __init__(self, dual_scores: Any, n: int) -> None:
        view = as_array(dual_scores, "dual_scores", ndim=1)
        if len(view.array) != n:
            raise ValueError(f"dual_scores: got {len(view.array)}, needs one for each of {n} rows")
        self._array, self._bf16 = view.array, view.bf16
        count, first = 0, -1
        for lo, hi in chunks(n, _CHECK_ROWS):
            bad = ~np.isfinite(self.read(lo, hi))
            if bad.any():
                first = lo + int(bad.argmax()) if first < 0 else first
                count += int(bad.sum())
        if count:
            raise ValueError(
                f"dual_scores: {count} of {n} are NaN or infinite, the first is row {first}; "
                "needs finite values"
            )

    def read(self, lo: int, hi: int) -> NDArray[np.float64]:
        """Return scores ``lo`` to ``hi`` (exclusive), contiguous."""
        part = self._array[lo:hi]
        if self._bf16:
            part = (part.astype(np.uint32) << 16).view(np.float32)
        return np.ascontiguousarray(part, np.float64)
