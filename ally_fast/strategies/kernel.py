"""The Gaussian kernel in integers, which are the same on any machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

KERNEL_BITS = 30
HORIZON = 21.5  # squared widths; beyond, the kernel is below half a step of the grid
_LOG2_E, _LN_2 = 1.4426950408889634, 0.6931471805599453
_TERMS = 14
_BLOCK = 1 << 13  # stays in cache


def kernel(squares: NDArray[np.float64], width: float) -> NDArray[np.int32]:
    """Return ``exp(-squares / width**2)`` in units of ``2**-30``.

    It uses only sums, products, quotients and powers of two. They round alike everywhere; the
    exponential of a library does not.

    Parameters
    ----------
    squares : ndarray of float64
        Squared distances.
    width : float
        Above 0.

    Examples
    --------
    >>> import numpy as np
    >>> (kernel(np.array([0.0, 1.0, 4.0, 90.0]), 2.0) / 2**30).round(6).tolist()
    [1.0, 0.778801, 0.367879, 0.0]
    """
    steps = np.empty(len(squares), np.int32)
    for lo in range(0, len(squares), _BLOCK):
        steps[lo : lo + _BLOCK] = _kernel(squares[lo : lo + _BLOCK] / (width * width))
    return steps


def _kernel(squares: NDArray[np.float64]) -> NDArray[np.float64]:
    exponents = np.minimum(squares, 64.0)
    halvings = np.floor(exponents * _LOG2_E)
    rest = exponents - halvings * _LN_2  # in [0, log 2], but for rounding
    total = np.ones_like(rest)
    for term in range(_TERMS, 0, -1):
        total = 1.0 - rest / term * total
    return np.rint(np.ldexp(total, KERNEL_BITS - halvings.astype(np.int32)))
