"""Rows of any dtype as a float32 matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import _cpu, _settings


def load_rows(
    rows: NDArray[Any],
    out: NDArray[np.float32],
    places: NDArray[np.int64],
    *,
    bf16: bool = False,
    normalize: bool = False,
    shift: NDArray[np.float64] | None = None,
    scale: float = 1.0,
) -> bool:
    """Write ``out[places[i]] = float32((rows[i] - shift) * scale)``.

    Parameters
    ----------
    rows : ndarray, shape (m, d)
        float16, float32 or float64, or uint16 bits of bfloat16 with `bf16`; any strides.
    out : ndarray of float32, shape (at least m, d), contiguous
    places : ndarray of int64, shape (m,)
        Distinct.
    bf16, normalize : bool
        The rows are bfloat16 bits; rows are scaled to unit length first.
    shift : ndarray of float64, shape (d,), optional
    scale : float
        A power of two.

    Returns
    -------
    bool
        False if some feature is NaN, infinite, or too large for float32.
    """
    return _cpu.load_rows(
        rows,
        out,
        _settings.isa(),
        places,
        bf16=bf16,
        normalize=normalize,
        shift=shift,
        scale=scale,
        threads=_settings.threads(),
    )
