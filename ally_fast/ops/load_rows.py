"""Rows of any dtype as a float32 matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ally_fast import _cpu, _settings
from ally_fast.rows import Rows


def load_rows(
    rows: Rows,
    out: NDArray[np.float32],
    out_positions: NDArray[np.int64],
    *,
    shift: NDArray[np.float64] | None = None,
    scale: float = 1.0,
) -> bool:
    """Write ``out[out_positions[i]] = float32((rows[i] - shift) * scale)``.

    Parameters
    ----------
    rows : Rows
        m rows, in host memory.
    out : ndarray of float32, shape (at least m, d), contiguous
    out_positions : ndarray of int64, shape (m,)
        Distinct.
    shift : ndarray of float64, shape (d,), optional
    scale : float
        A power of two.

    Returns
    -------
    bool
        False if a feature is NaN, infinite, or too large for float32.
    """
    return _cpu.load_rows(
        rows.array if rows.positions is None else rows.array[rows.positions],
        out,
        _settings.isa(),
        out_positions,
        bf16=rows.bf16,
        normalize=rows.normalize,
        shift=shift,
        scale=scale,
        threads=_settings.threads(),
    )
