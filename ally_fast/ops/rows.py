"""Arrays in the memory that others are in, of the host or of a device."""

from __future__ import annotations

from typing import Any

import numpy as np


def take_rows(rows: Any, positions: Any) -> Any:
    """Return a contiguous copy of ``rows[positions]``, where the rows are."""
    return rows[positions] if isinstance(rows, np.ndarray) else rows.take(positions)


def zeros(shape: tuple[int, ...], dtype: Any, like: Any) -> Any:
    """Return an array of zeros in the memory of `like`, a device's on its stream."""
    if isinstance(like, np.ndarray):
        return np.zeros(shape, dtype)
    from ally_fast import _cuda

    return _cuda.DeviceArray.zeros(shape, dtype, like.stream)
