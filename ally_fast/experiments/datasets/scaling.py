"""Scale features and values by the pool's mean and deviation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROWS_AT_A_TIME = 8192


def standardized(
    pool: NDArray[Any], test: NDArray[Any]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return both arrays with the pool's mean 0 and deviation 1; constant columns become 0."""
    wide = pool.astype(np.float64)
    mean, deviation = wide.mean(axis=0), wide.std(axis=0)
    # Equal values may still have a deviation of rounding size.
    constant = np.ptp(wide, axis=0) == 0
    deviation = np.where(constant, 1.0, deviation)
    first, second = (
        np.where(constant, 0.0, (part.astype(np.float64) - mean) / deviation).astype(np.float32)
        for part in (pool, test)
    )
    return first, second


def scaled(
    pool: NDArray[Any], test: NDArray[Any]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Subtract the pool's mean from both arrays; scale both so that its mean square is 1."""
    mean = pool.mean(axis=0, dtype=np.float64)
    parts = (pool[lo : lo + _ROWS_AT_A_TIME] for lo in range(0, len(pool), _ROWS_AT_A_TIME))
    square = sum(float(np.square(part - mean).sum()) for part in parts) / pool.size
    factor = 1.0 if square == 0 else square**-0.5
    first, second = (((part - mean) * factor).astype(np.float32) for part in (pool, test))
    return first, second
