"""Rows taken from a matrix and arrays joined: what training needs beside slices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def take_rows(rows: NDArray[Any], positions: NDArray[np.int64]) -> NDArray[Any]:
    """Return a contiguous copy of ``rows[positions]``."""
    return rows[positions]


def join(first: NDArray[Any], rest: NDArray[Any]) -> NDArray[Any]:
    """Return `first` followed by `rest`, both of shape (n,) and one dtype."""
    return np.concatenate([first, rest])
