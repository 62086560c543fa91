"""Rows taken from a matrix and arrays joined: what training needs beside slices."""

from __future__ import annotations

from typing import Any

import numpy as np


def take_rows(rows: Any, positions: Any) -> Any:
    """Return a contiguous copy of ``rows[positions]``, where the rows are."""
    return rows[positions] if isinstance(rows, np.ndarray) else rows.take(positions)


def join(first: Any, rest: Any) -> Any:
    """Return `first` followed by `rest`, both of shape (n,) and one dtype, in one memory."""
    return np.concatenate([first, rest]) if isinstance(first, np.ndarray) else first.join(rest)
