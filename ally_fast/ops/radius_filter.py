"""Find the rows that are close to one of some points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ally_fast import _cpu, _settings
from ally_fast._cpu import PackedPoints
from ally_fast.rows import Rows


def radius_filter(rows: Rows, table: PackedPoints, radius: float) -> NDArray[np.bool_]:
    """Tell which rows lie within `radius` of a point of `table`.

    Equivalent to ``(squared_distances to every point <= radius**2).any()`` for each row.

    Parameters
    ----------
    rows : Rows
        In host memory.
    table : PackedPoints
        The points.
    radius : float
        Euclidean distance, above 0.

    Returns
    -------
    ndarray of bool, shape (len(rows),)
    """
    return _cpu.radius_filter(rows.array, table, radius, **rows.view, threads=_settings.threads())
