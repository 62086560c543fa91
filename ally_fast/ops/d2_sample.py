"""D-squared sampling, the k-means++ start."""

from __future__ import annotations

from typing import Any

import numpy as np

from ally_fast import _cpu, _settings


def d2_sample(rows: Any, k: int, seed: int) -> Any:
    """Draw `k` rows, each with probability proportional to its squared distance to those before.

    Parameters
    ----------
    rows : ndarray or DeviceArray of float32, shape (t, d), contiguous, finite
    k : int
        ``1 <= k <= t``.
    seed : int
        The draw depends on rows, `k` and seed alone.

    Returns
    -------
    ndarray or DeviceArray of int64, shape (k,)
        Distinct positions in `rows`, in the order drawn. With fewer than `k` distinct rows, the
        rest are the lowest positions not taken.

    Notes
    -----
    Exact in distribution: proposals from stale weights are accepted with the ratio of the true
    weight to the stale one. About one assignment pass over the rows in all. Source: Arthur,
    Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007.
    """
    if isinstance(rows, np.ndarray):
        return _cpu.d2_sample(rows, k, seed, isa=_settings.isa(), threads=_settings.threads())
    from ally_fast import _cuda

    positions = _cuda.DeviceArray.empty((k,), np.int64, rows.stream)
    _cuda.d2_sample(rows, positions, seed)
    return positions
