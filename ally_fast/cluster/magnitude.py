"""Limits on how large and how small values may be, so that they can be squared."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Squared distances of values in between neither overflow float64 nor vanish in it.
LARGEST, SMALLEST = 2.0**480, 2.0**-480
_LEAST = 2.0**-51  # its square is 2**24 times the smallest normal float32


def check_float32_squares(
    engine: str, name: str, *matrices: NDArray[Any], sums: int = 1, vanish: bool = True
) -> None:
    """Raise ValueError if squared distances overflow or vanish in float32.

    Parameters
    ----------
    engine, name : str
        The engine that computes them; the argument's name, for messages.
    *matrices : ndarray of float, shape (any, d)
        Finite rows that are compared with one another, about their mean or about 0.
    sums : int
        Number of squared distances that are summed.
    vanish : bool
        Check that they do not all vanish; only rows of zeros may.
    """
    largest = max(float(np.abs(end)) for x in matrices if x.size for end in (x.min(), x.max()))
    # About a mean values are up to twice as large, differences of these twice as large again.
    most = math.sqrt(float(np.finfo(np.float32).max) / (16.0 * matrices[0].shape[1] * sums))
    if largest > most or (vanish and 0 < largest < _LEAST):
        raise ValueError(
            f"{name}: got values up to {largest:.3g}, but engine={engine!r} squares them in "
            f"float32 and needs {_LEAST:.1e} to {most:.1e}; scale them, or use engine='native'"
        )


def check_squares(
    points: NDArray[Any], name: str, indices: NDArray[np.int64] | None = None
) -> None:
    """Raise ValueError if squared distances between finite points overflow or vanish.

    The points are rows 0, 1, … of `name`, or the rows at `indices`.
    """
    sizes = np.abs(points).max(axis=1, initial=0)
    largest = float(sizes.max(initial=0))
    if largest and not SMALLEST <= largest <= LARGEST:
        row = int(sizes.argmax()) if indices is None else int(indices[sizes.argmax()])
        raise ValueError(
            f"{name}: the largest value is {largest:.3g}, in row {row}; needs "
            f"{SMALLEST:.0e} to {LARGEST:.0e}, so that float64 holds squared distances: rescale "
            "the rows"
        )
