"""Under a radius, each pick blocks later offers that are close to it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.ops.assign import packed_points
from ally_fast.ops.radius_filter import radius_filter
from ally_fast.rows import Rows

_SWEEP = 256  # picks gathered before one matrix pass blocks all offers near them


class Blocking:
    """Rows on offer, and which of them lie within the radius of a pick.

    One matrix pass for every 256 picks does most of the blocking. Only the newest picks are
    compared with one offer at a time. O(m b d) time and O(m d) memory, for m rows on offer.

    Parameters
    ----------
    rows : ndarray of float32 or float64, shape (m, d), contiguous
        The rows on offer.
    radius : float
    """

    def __init__(self, rows: NDArray[Any], radius: float) -> None:
        self._rows = rows
        self._radius = radius
        self._recent: list[int] = []  # picks that no sweep has seen
        self.swept = np.zeros(len(rows), np.bool_)

    def block(self, points: NDArray[Any]) -> None:
        """Block all rows on offer that are near one of the points, shape (any, d)."""
        if len(points):
            self.swept |= radius_filter(Rows(self._rows), packed_points(points), self._radius)

    def blocks(self, entry: int) -> bool:
        """Tell whether the row on offer lies within the radius of a pick so far."""
        if self.swept[entry]:
            return True
        if not self._recent:
            return False
        table = packed_points(self._rows[entry : entry + 1])
        return bool(radius_filter(Rows(self._rows[self._recent]), table, self._radius).any())

    def pick(self, entry: int) -> None:
        """Add a pick."""
        self._recent.append(entry)
        if len(self._recent) == _SWEEP:
            self.block(self._rows[self._recent])
            self._recent.clear()
