"""Draw rows without replacement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ally_fast import _cpu, _settings

if TYPE_CHECKING:
    from ally_fast._cuda import DeviceArray, Stream


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
    Each row has a random key that depends only on (seed, index), and the smallest keys win. So you
    can draw from the parts of a pool separately, and merge. O(n) time, O(size) memory.
    """
    return _cpu.sample_rows(n, size, seed, eligible=eligible, threads=_settings.threads())


def sample_rows_on_device(
    n: int, size: int, seed: int, stream: Stream, eligible: NDArray[np.bool_] | None = None
) -> DeviceArray:
    """Draw the same rows as `sample_rows`, in device memory."""
    from ally_fast import _cuda

    sample = _cuda.DeviceArray.empty((size,), np.int64, stream)
    if eligible is None:
        _cuda.sample_rows(sample, n, seed)
    else:
        mask = _cuda.DeviceArray.from_host(eligible, stream)
        _cuda.sample_rows(sample, n, seed, mask, int(np.count_nonzero(eligible)))
    return sample
