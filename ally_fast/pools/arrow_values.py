"""NumPy values as Arrow arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require


def arrow_values(values: NDArray[Any], name: str) -> Any:
    """Return numbers, truth values or texts as an Arrow array; bytes are taken as UTF-8 text.

    Raises
    ------
    ValueError, TypeError
        If texts are not UTF-8, or an object array holds other values.
    """
    arrow = require("pyarrow", "parquet", f"reading {name}")
    kind = values.dtype.kind
    if kind == "S":
        try:
            values = np.char.decode(values, "utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"{name} holds texts that are not UTF-8") from None
    if kind in "SUTO":
        try:
            return arrow.array(values.tolist(), arrow.large_string())
        except (arrow.ArrowInvalid, arrow.ArrowTypeError):
            raise TypeError(f"{name} must hold numbers or texts; it holds objects") from None
    return arrow.array(values.astype(values.dtype.newbyteorder("="), copy=False))
