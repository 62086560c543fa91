"""Rows as the float32 matrix that other libraries want."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ally_fast.ops.load_rows import load_rows
from ally_fast.pools.pool import Rows


def loaded(
    rows: Rows, positions: NDArray[np.int64] | None, normalize: bool
) -> tuple[NDArray[np.float32], bool]:
    """Return ``rows[positions]`` as contiguous float32, and whether all of it is finite."""
    array = rows.array if positions is None else rows.array[positions]
    out = np.empty(array.shape, np.float32)
    finite = load_rows(array, out, np.arange(len(array)), bf16=rows.bf16, normalize=normalize)
    return out, finite


def unit_rows(centroids: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return centroids scaled to unit length; rows of zeros stay."""
    norms = np.linalg.norm(centroids, axis=1, keepdims=True)
    out = np.zeros_like(centroids)
    np.divide(centroids, norms, out=out, where=norms > 0)
    return out
