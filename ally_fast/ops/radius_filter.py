"""Which rows lie close to any of some points."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import _cpu, _settings
from ally_fast._cpu import CentroidTable


def radius_filter(
    rows: NDArray[Any],
    table: CentroidTable,
    radius: float,
    *,
    bf16: bool = False,
    normalize: bool = False,
    positions: NDArray[np.int64] | None = None,
) -> NDArray[np.bool_]:
    """Tell which rows lie within `radius` of a point of `table`.

    Equivalent to ``(squared_distances to every point <= radius**2).any()`` for each row.

    Parameters
    ----------
    rows : ndarray, shape (m, d)
        As for `ally_fast.ops.assign.assign`.
    table : CentroidTable
        The points.
    radius : float
        Euclidean distance, above 0.

    Returns
    -------
    ndarray of bool, shape (m,)
    """
    return _cpu.radius_filter(
        rows,
        table,
        radius,
        bf16=bf16,
        normalize=normalize,
        positions=positions,
        threads=_settings.threads(),
    )
