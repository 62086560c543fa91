"""Scale values to mean 0 and standard deviation 1, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.primal_dual._torch import torch


@dataclass(frozen=True, eq=False)
class Scaling:
    """``(f(x) - mean) / deviation`` by column, where f is the identity or ``log(1 + x / unit)``.

    Attributes
    ----------
    mean, deviation : ndarray of float64, shape (d,)
        Mean and standard deviation of f(x); the deviation of a constant column is 1.
    unit : float or None
        None if f is the identity.
    constant : bool
        Whether all columns are constant.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    unit: float | None
    constant: bool

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.mean)

    @classmethod
    def unfitted(cls) -> Scaling:
        """Return a scaling with no columns."""
        return cls(np.empty(0), np.empty(0), None, True)

    @classmethod
    def of(cls, values: NDArray[np.float64], transform: str) -> Scaling:
        """Return the scaling of values (n, d) or (n,), for "standardize" or "log1p"."""
        columns = values.reshape(len(values), -1)
        varies = (columns != columns[0]).any(axis=0)
        unit = None
        if transform == "log1p":
            unit = float(columns.mean()) or 1.0
            columns = np.log1p(columns / unit)
        # The mean of a constant column, exactly.
        mean = np.where(varies, columns.mean(axis=0), columns[0])
        deviation = columns.std(axis=0)
        deviation[~varies | (deviation == 0)] = 1
        return cls(mean, deviation, unit, not varies.any())

    def apply(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the scaled values, (n, d) or (n,)."""
        columns = values.reshape(len(values), -1)
        if self.unit is not None:
            columns = np.log1p(columns / self.unit)
        scaled = (columns - self.mean) / self.deviation
        return scaled.astype(np.float32).reshape(values.shape)

    def apply_to_tensor(self, values: torch.Tensor) -> torch.Tensor:
        """Return the scaled values (n, d); f must be the identity; differentiable."""
        assert self.unit is None
        mean, deviation = (self._tensor(x, values) for x in (self.mean, self.deviation))
        return (values - mean) / deviation

    def revert(self, scaled: torch.Tensor) -> torch.Tensor:
        """Return the original values of one scaled column; differentiable."""
        values = scaled * float(self.deviation[0]) + float(self.mean[0])
        return values if self.unit is None else torch.expm1(values.clamp(max=60)) * self.unit

    @staticmethod
    def _tensor(array: NDArray[Any], like: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(array, dtype=like.dtype, device=like.device)
