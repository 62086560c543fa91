"""Arrays in the memory that others are in, of the host or of a device."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def take_rows(rows: Any, positions: Any) -> Any:
    """Return a contiguous copy of ``rows[positions]``, where the rows are."""
    return rows[positions] if isinstance(rows, np.ndarray) else rows.take(positions)


def like(array: NDArray[Any], other: Any) -> Any:
    """Return a copy of a host array in the memory of `other`."""
    if isinstance(other, np.ndarray):
        return array.copy()
    from ally_fast import _cuda

    return _cuda.DeviceArray.from_host(array, other.stream)


def join(parts: list[Any]) -> Any:
    """Return arrays of shape (n,) and one dtype, in one memory, one after the other."""
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    joined = parts[0]
    for part in parts[1:]:
        joined = joined.join(part)
    return joined


def zeros(shape: tuple[int, ...], dtype: Any, like: Any) -> Any:
    """Return an array of zeros in the memory of `like`, a device's on its stream."""
    if isinstance(like, np.ndarray):
        return np.zeros(shape, dtype)
    from ally_fast import _cuda

    return _cuda.DeviceArray.zeros(shape, dtype, like.stream)
