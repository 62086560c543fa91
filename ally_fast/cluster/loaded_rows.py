"""Rows as the float32 matrix that other libraries need."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.cluster.frame import Frame
from ally_fast.ops.load_rows import load_rows
from ally_fast.rows import Rows


def loaded(rows: Rows, frame: Frame | None = None) -> tuple[NDArray[np.float32], bool]:
    """Return rows as contiguous float32, and whether all of them are finite.

    With a `frame`, return their coordinates in it.
    """
    out = np.empty((len(rows), rows.array.shape[1]), np.float32)
    return out, load_in_frame(rows, out, np.arange(len(rows)), frame)


def load_in_frame(
    rows: Rows, out: NDArray[np.float32], places: NDArray[np.int64], frame: Frame | None
) -> bool:
    """Write rows to `places` of `out`; see `load_rows`. Frame None: no shift and no scale."""
    return load_rows(
        rows,
        out,
        places,
        shift=None if frame is None else frame.shift,
        scale=1.0 if frame is None else frame.scale,
    )


def in_float32(centroids: NDArray[Any]) -> tuple[NDArray[np.float32], Frame | None]:
    """Return centroids as float32, and their frame if they are float64."""
    if centroids.dtype == np.float32:
        return centroids, None
    frame = Frame.of(centroids)
    return frame.narrow(centroids), frame


def unit_rows(centroids: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return centroids scaled to unit length; rows of zeros stay zeros."""
    norms = np.linalg.norm(centroids, axis=1, keepdims=True)
    out = np.zeros_like(centroids)
    np.divide(centroids, norms, out=out, where=norms > 0)
    return out
