"""Philox4x32-10, the counter-based random generator of Salmon et al. (SC 2011)."""

import numpy as np
import numpy.typing as npt

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_STEPS = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
LOW = np.uint64(0xFFFFFFFF)


def philox4x32(counter: npt.ArrayLike, key: npt.ArrayLike) -> npt.NDArray[np.uint32]:
    """Turn a counter and a key into four random words.

    Parameters
    ----------
    counter : array_like, shape (..., 4), uint32
    key : array_like, shape (2,), uint32

    Returns
    -------
    ndarray, shape (..., 4), uint32

    Examples
    --------
    >>> [f"{int(word):08x}" for word in philox4x32([0, 0, 0, 0], [0, 0])]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    words = np.asarray(counter, dtype=np.uint64)
    x0, x1, x2, x3 = (words[..., place] for place in range(4))
    k0, k1 = (int(word) for word in np.asarray(key, dtype=np.uint64))
    for _ in range(ROUNDS):
        product0 = x0 * np.uint64(MULTIPLIERS[0])
        product1 = x2 * np.uint64(MULTIPLIERS[1])
        x0, x1, x2, x3 = (
            (product1 >> np.uint64(32)) ^ x1 ^ np.uint64(k0),
            product1 & LOW,
            (product0 >> np.uint64(32)) ^ x3 ^ np.uint64(k1),
            product0 & LOW,
        )
        k0 = (k0 + KEY_STEPS[0]) & 0xFFFFFFFF
        k1 = (k1 + KEY_STEPS[1]) & 0xFFFFFFFF
    return np.stack([x0, x1, x2, x3], axis=-1).astype(np.uint32)
