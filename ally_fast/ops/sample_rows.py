"""Rows drawn without replacement."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ally_fast import _cpu, _settings


def sample_rows(
    n: int, size: int, seed: int, eligible: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """Draw `size` of the eligible rows of a pool of `n`, without replacement.

    Returns
    -------
    ndarray of int64, shape (size,)
        Pool indices in random order: every prefix is a sample without replacement, too.

    Notes
    -----
    Each row has a random key that depends on (seed, index) alone and the smallest keys win, so the
    parts of a pool can be drawn apart and merged. O(n) time, O(size) memory.
    """
    return _cpu.sample_rows(n, size, seed, eligible=eligible, threads=_settings.threads())
