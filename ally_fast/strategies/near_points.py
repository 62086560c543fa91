"""Pairs of rows and points closer than a limit: few are measured, and none is missed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.ops.assign import assign, packed_points, squared_distances
from ally_fast.rows import Rows

_BLOCK = 1 << 22  # scores at a time


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of a row and a point that are close to each other, by row, then by point.

    Attributes
    ----------
    rows, points : ndarray of int64
        Positions among the rows and among the points.
    squares : ndarray of float64
        Squared distances, by the exact rule.
    """

    rows: NDArray[np.int64]
    points: NDArray[np.int64]
    squares: NDArray[np.float64]


class NearPoints:
    """Points, and a search for the rows that are near them.

    Parameters
    ----------
    points : ndarray of float32 or float64, shape (t, d), finite
        At least one.

    Notes
    -----
    A matrix product in float32 tells which pairs can lie within the limit, with a margin for all
    rounding. These pairs are measured by the exact rule. So the answer depends neither on the
    library that multiplies nor on how rows are cut into blocks.
    """

    def __init__(self, points: NDArray[Any]) -> None:
        self._table = packed_points(points)
        wide = points.astype(np.float64)
        self._centre = wide.mean(axis=0)
        moved = wide - self._centre
        largest = float(np.abs(moved).max())
        # A power of two, so that nothing is rounded: the largest coordinate comes near 1.
        self._exponent = -int(np.frexp(largest)[1]) if largest else 0
        self._moved = np.ldexp(moved, self._exponent)
        self._margin = (points.shape[1] + 16) * 2.0**-23

    def nearest(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Return each row's squared distance to its nearest point, by the exact rule."""
        view = Rows(rows)
        return squared_distances(view, self._table, assign(view, self._table)[0])

    def pairs(self, rows: NDArray[Any], limits: NDArray[np.float64]) -> Iterator[Pairs]:
        """Yield the pairs whose squared distance is below the point's limit, block by block.

        Parameters
        ----------
        rows : ndarray of float32 or float64, shape (m, d), finite
        limits : ndarray of float64, shape (t,)
            Above 0.
        """
        with np.errstate(all="ignore"):  # what overflows is measured
            right = self._right(limits)
        step = max(1, _BLOCK // len(limits))
        for lo in range(0, len(rows), step):
            part = rows[lo : lo + step]
            with np.errstate(all="ignore"):
                # Not those above 0: a score that is NaN says nothing.
                close = np.flatnonzero(~(self._left(part) @ right.T <= 0))
            positions, points = np.divmod(close, len(limits))
            squares = squared_distances(
                Rows(part, positions=positions), self._table, points.astype(np.int32)
            )
            inside = squares < limits[points]
            yield Pairs(positions[inside] + lo, points[inside], squares[inside])

    def _left(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        """Return a factor whose product with `_right` is above 0 for each pair that can be close.

        The product is ``x t - (x x + t t - limit) / 2``. Here x x, t t and the limit are shifted in
        favour of close pairs, by more than the product can be wrong. Each rounding is below 2**-24
        of one of them, a pair has fewer than ``d + 16`` roundings, and ``|x| |t|`` is at most
        ``(x x + t t) / 2``.
        """
        moved = np.ldexp(rows.astype(np.float64) - self._centre, self._exponent)
        half = np.einsum("ij,ij->i", moved, moved) * ((1 - self._margin) / 2)
        return np.column_stack([moved, -half, np.ones(len(moved))]).astype(np.float32)

    def _right(self, limits: NDArray[np.float64]) -> NDArray[np.float32]:
        moved = self._moved
        lengths = np.einsum("ij,ij->i", moved, moved) * (1 - self._margin)
        reach = np.ldexp(limits, 2 * self._exponent) * (1 + self._margin) + 2.0**-100
        ones = np.ones(len(moved))
        return np.column_stack([moved, ones, (reach - lengths) / 2]).astype(np.float32)


def smallest_distance(points: NDArray[Any]) -> float | None:
    """Return the smallest distance above 0 between points, shape (l, d); None if there is none.

    O(l**2 d) time in low precision, and memory for one block.
    """
    distinct = np.unique(points, axis=0)
    if len(distinct) < 2:
        return None
    near, table = NearPoints(distinct), packed_points(distinct)
    following = np.arange(1, len(distinct), dtype=np.int32)
    squares = squared_distances(Rows(distinct[:-1]), table, following)
    best = squares[squares > 0].min(initial=np.inf)
    for pairs in near.pairs(distinct, np.full(len(distinct), best)):
        best = min(best, pairs.squares[pairs.squares > 0].min(initial=np.inf))
    return float(np.sqrt(best)) if np.isfinite(best) else None
