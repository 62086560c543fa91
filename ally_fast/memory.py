"""Make, copy, take and join arrays in host memory, or in a device's memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_host(array: Any) -> NDArray[Any]:
    """Return a NumPy array: `array` itself, or a copy of one in device memory."""
    host: NDArray[Any] = array if isinstance(array, np.ndarray) else array.to_host()
    return host


def beside(other: Any, array: NDArray[Any]) -> Any:
    """Return `array` in the memory of `other`: itself, or a copy on a device, on its stream."""
    if isinstance(other, np.ndarray):
        return array
    from ally_fast import _cuda

    return _cuda.DeviceArray.from_host(array, other.stream)


def zeros(shape: tuple[int, ...], dtype: Any, other: Any) -> Any:
    """Return an array of zeros in the memory of `other`; on a device, on its stream."""
    if isinstance(other, np.ndarray):
        return np.zeros(shape, dtype)
    from ally_fast import _cuda

    return _cuda.DeviceArray.zeros(shape, dtype, other.stream)


def take_rows(rows: Any, positions: Any) -> Any:
    """Return a contiguous copy of ``rows[positions]``, in the memory of the rows."""
    return rows[positions] if isinstance(rows, np.ndarray) else rows.take(positions)


def join(parts: list[Any]) -> Any:
    """Join arrays of shape (n,) and one dtype that are in the same memory."""
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    joined = parts[0]
    for part in parts[1:]:
        joined = joined.join(part)
    return joined
