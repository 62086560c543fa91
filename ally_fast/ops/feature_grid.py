"""The grid on which rows are summed as integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ally_fast import _cpu, _settings
from ally_fast.device_arrays import to_host
from ally_fast.ops.rows import zeros


@dataclass(frozen=True, eq=False)
class FeatureGrid:
    """Where integers lie among the values of each feature.

    Attributes
    ----------
    values : ndarray or DeviceArray of float64, shape (2 d + 1,)
        Each feature's shift, each one's scale (a power of two), the scale of squared distances.
    most : int
        Rows that may be summed on it.
    """

    values: Any
    most: int

    def distance(self, words: Any) -> float:
        """Return a sum of squared distances, shape (2,) or the sum over rows of (m, 2)."""
        high, low = (int(word) for word in np.reshape(to_host(words), (-1, 2)).sum(axis=0))
        return float((high << 40) + low) / float(to_host(self.values)[-1])


def feature_grid(rows: Any) -> FeatureGrid:
    """Return the grid for sums of these rows.

    Parameters
    ----------
    rows : ndarray or DeviceArray of float32, shape (t, d), contiguous, finite
        At least one.

    Returns
    -------
    FeatureGrid
        Feature ``j`` becomes ``rint((x - shift) * scale)``: at most ``2**bits``, where bits is the
        least of 50 and ``62 - ceil(log2(t))``. In the memory of the rows.

    Notes
    -----
    One read of the rows. Depends on each feature's minimum and maximum, and on t, alone.
    """
    if isinstance(rows, np.ndarray):
        values = _cpu.feature_grid(rows, _settings.isa(), threads=_settings.threads())
        return FeatureGrid(values, len(rows))
    from ally_fast import _cuda

    values = zeros((2 * rows.shape[1] + 1,), np.float64, rows)
    _cuda.feature_grid(rows, values)
    return FeatureGrid(values, len(rows))
