"""Embedding rows wherever they lie: the Python twin of the core's ``RowsView``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows: float16, float32 or float64, or bfloat16 as uint16 with ``bf16`` set.

    Attributes
    ----------
    array : ndarray or DeviceArray, shape (m, d)
        Aligned, in the machine's byte order, any strides; may be a view of the caller's memory.
    bf16 : bool
        True if `array` is uint16 that holds bfloat16.
    normalize : bool
        Whether an op scales rows to unit length before all else.
    positions : ndarray or DeviceArray of int64, optional
        The rows that an op visits, in the memory of `array`; all of them if None.
    """

    array: Any
    bf16: bool = False
    normalize: bool = False
    positions: Any = None

    def __len__(self) -> int:
        """Return how many rows an op visits."""
        return len(self.array if self.positions is None else self.positions)

    def seen(self, normalize: bool, positions: Any = None) -> Rows:
        """Return the same memory as an op is to see it."""
        return replace(self, normalize=normalize, positions=positions)

    def taken(self, index: slice | NDArray[np.integer]) -> Rows:
        """Return rows of the array in host memory: a view for a slice, a copy for an array."""
        return replace(self, array=self.array[index], positions=None)

    @property
    def view(self) -> dict[str, Any]:
        """What the core needs to know beside the array, by keyword."""
        return {"bf16": self.bf16, "normalize": self.normalize, "positions": self.positions}
