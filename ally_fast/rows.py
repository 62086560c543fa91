"""Embedding rows in any memory: the Python twin of the core's ``RowsView``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of float16, float32 or float64, or of bfloat16 as uint16 with ``bf16`` set.

    Attributes
    ----------
    array : ndarray or DeviceArray, shape (m, d)
        Aligned, in the machine's byte order, any strides; may be a view of the caller's memory.
    bf16 : bool
        True if `array` is uint16 that holds bfloat16.
    normalize : bool
        Whether an op scales rows to unit length before it does anything else.
    positions : ndarray or DeviceArray of int64, optional
        The rows that an op visits, in the memory of `array`; None: all rows.
    """

    array: Any
    bf16: bool = False
    normalize: bool = False
    positions: Any = None

    def __len__(self) -> int:
        """Return how many rows an op visits."""
        return len(self.array if self.positions is None else self.positions)

    def seen(self, normalize: bool, positions: Any = None) -> Rows:
        """Return the same memory with these settings for an op."""
        return replace(self, normalize=normalize, positions=positions)

    def taken(self, index: slice | NDArray[np.integer]) -> Rows:
        """Return some rows of an array in host memory: a view for a slice, a copy for an array."""
        return replace(self, array=self.array[index], positions=None)

    @property
    def view(self) -> dict[str, Any]:
        """The keyword arguments that the core needs beside the array."""
        return {"bf16": self.bf16, "normalize": self.normalize, "positions": self.positions}
