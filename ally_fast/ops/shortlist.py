"""The best rows of each cluster, kept while a pool streams by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ally_fast._cpu import Shortlist, tie_positions

if TYPE_CHECKING:
    from ally_fast._cuda import DeviceArray

__all__ = ["Shortlist", "count_nonfinite", "tie_positions"]


def count_nonfinite(scores: DeviceArray, *, bf16: bool = False) -> tuple[int, int]:
    """Return how many scores in device memory are not finite, and the first of them or -1."""
    from ally_fast import _cuda

    none = np.array([0, np.iinfo(np.int64).max])
    report = _cuda.DeviceArray.from_host(none, scores.stream)
    _cuda.count_nonfinite(scores, report, bf16=bf16)
    count, first = report.to_host().tolist()
    return count, first if count else -1
