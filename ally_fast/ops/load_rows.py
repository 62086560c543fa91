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
) -> bool:
    """Write ``out[places[i]] = float32(rows[i])``, scaled to unit length with `normalize`.

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
        threads=_settings.threads(),
    )
