"""Sampling without replacement, by sorting random keys."""

import numpy as np
import numpy.typing as npt

from .philox import philox4x32

PURPOSE = 1  # the third word of the counter keeps this stream apart from others of the seed


def sample_rows(
    n: int, size: int, seed: int, eligible: npt.ArrayLike | None = None
) -> npt.NDArray[np.int64]:
    """Draw ``size`` of ``n`` rows without replacement.

    The key of row ``i`` is the first 64 bits of Philox4x32-10 at the counter ``i``; the rows with
    the smallest keys win.

    Parameters
    ----------
    n, size, seed : int
    eligible : array_like, shape (n,), bool, optional
        The rows to draw from.

    Returns
    -------
    ndarray, shape (size,), int64
        In order of the keys.

    Examples
    --------
    >>> sorted(sample_rows(5, 5, seed=0).tolist())
    [0, 1, 2, 3, 4]
    """
    index = np.arange(n, dtype=np.uint64)
    low, high = index & np.uint64(0xFFFFFFFF), index >> np.uint64(32)
    counter = np.stack([low, high, np.full_like(low, PURPOSE), np.zeros_like(low)], axis=1)
    words = philox4x32(counter, [seed & 0xFFFFFFFF, seed >> 32]).astype(np.uint64)
    keys = words[:, 1] << np.uint64(32) | words[:, 0]
    rows = np.arange(n) if eligible is None else np.flatnonzero(eligible)
    drawn: npt.NDArray[np.int64] = rows[np.argsort(keys[rows], kind="stable")[:size]]
    return drawn
