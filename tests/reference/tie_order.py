"""A random order of rows with equal scores, in plain integers."""

from .philox import philox4x32

TIES = 3  # what the draw is for
HALF = 2**31


def tie_place(index: int, seed: int) -> int:
    """Return the place of a row in the random order of a seed: four rounds of a Feistel network.

    Parameters
    ----------
    index : int
        From 0 to 2**62 - 1.
    seed : int

    Examples
    --------
    >>> len({tie_place(index, 7) for index in range(1000)})
    1000
    """
    keys = philox4x32([0, 0, TIES, 0], [seed % 2**32, seed // 2**32])
    left, right = divmod(index, HALF)
    for key in keys.tolist():
        left, right = right, left ^ _mix(right ^ key)
    return left * HALF + right


def _mix(x: int) -> int:
    x = (x ^ x >> 16) * 0x85EBCA6B % 2**32
    x = (x ^ x >> 13) * 0xC2B2AE35 % 2**32
    return (x ^ x >> 16) % HALF
