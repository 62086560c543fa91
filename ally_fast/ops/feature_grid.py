"""The grid on which rows are summed as integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ally_fast import _cpu, _settings
from ally_fast.clusters import FeatureGrid
from ally_fast.memory import zeros


def feature_grid(rows: Any) -> FeatureGrid:
    """Return the grid for sums of these rows.

    Parameters
    ----------
    rows : ndarray or DeviceArray of float32, shape (t, d), contiguous, finite
        At least one.

    Returns
    -------
    FeatureGrid
        In the memory of the rows. Feature ``j`` becomes ``rint((x - shift) * scale)``, at most
        ``2**bits``, where ``bits`` is the smaller of 50 and ``62 - ceil(log2(t))``.

    Notes
    -----
    One read of the rows. The grid depends only on the minimum and maximum of each feature, and on
    t.
    """
    if isinstance(rows, np.ndarray):
        values = _cpu.feature_grid(rows, _settings.isa(), threads=_settings.threads())
        return FeatureGrid(values, len(rows))
    from ally_fast import _cuda

    values = zeros((2 * rows.shape[1] + 1,), np.float64, rows)
    _cuda.feature_grid(rows, values)
    return FeatureGrid(values, len(rows))
