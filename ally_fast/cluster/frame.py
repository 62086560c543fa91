"""Coordinates in which float32 keeps the digits of float64 rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.cluster.fit import Fit
from ally_fast.cluster.magnitude import check_squares
from ally_fast.memory import to_host
from ally_fast.ops.sample_rows import sample_rows
from ally_fast.pools.finite import nonfinite_error
from ally_fast.pools.pool import Pool, as_float

_MOST_ROWS, _FEWEST_ROWS, _BYTES = 4096, 256, 16 << 20
_WARN_ABOVE = 0.03  # of the distance to the centroid


class PrecisionWarning(UserWarning):
    """k-means sees less detail than the embeddings hold."""


@dataclass(frozen=True, eq=False)
class Frame:
    """Coordinates ``(x - shift) * scale``: a large common offset costs no digits of float32.

    Attributes
    ----------
    shift : ndarray of float64, shape (d,)
    scale : float
        A power of two, so that scaling rounds nothing.
    """

    shift: NDArray[np.float64]
    scale: float

    @classmethod
    def of(cls, points: NDArray[np.float64]) -> Frame:
        """Return the frame in which finite points, shape (m, d), lie between -1 and 1."""
        low, high = points.min(axis=0), points.max(axis=0)
        # Halved first: the sum of two large values may overflow.
        half = float((high / 2 - low / 2).max()) or float(np.abs(points).max())
        return cls(low / 2 + high / 2, 2.0 ** -math.frexp(half)[1])

    def narrow(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the coordinates of points, rounded to float32."""
        return self._coordinates(points).astype(np.float32)

    def widen(self, coordinates: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the points of coordinates."""
        points: NDArray[np.float64] = self.shift + coordinates.astype(np.float64) / self.scale
        return points

    def rounding(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return each feature's mean squared rounding in `narrow`, in coordinates, shape (d,)."""
        lost = self._coordinates(points) - self.narrow(points)
        squares: NDArray[np.float64] = np.square(lost).mean(axis=0)
        return squares

    def _coordinates(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        coordinates: NDArray[np.float64] = (points - self.shift) * self.scale
        return coordinates


@dataclass(frozen=True, eq=False)
class TrainingFrame:
    """The frame in which a pool's training rows are loaded, and the detail that it loses.

    Attributes
    ----------
    frame : Frame
    rounding : ndarray of float64, shape (d,)
        Mean squared rounding of each feature, in coordinates.
    span : ndarray of float64, shape (d,)
        Largest value of each feature, less its smallest.
    merged : bool
        Whether some different rows have the same coordinates.
    """

    frame: Frame
    rounding: NDArray[np.float64]
    span: NDArray[np.float64]
    merged: bool

    def warning(self, mean_square: float) -> str | None:
        """Return a warning or None; `mean_square` is of distances to centroids, in coordinates."""
        lost = float(self.rounding.sum())
        if lost <= _WARN_ABOVE**2 * mean_square or (mean_square == 0 and not self.merged):
            return None
        worst = int(self.rounding.argmax())
        share = min(1.0, math.sqrt(lost / mean_square)) if mean_square > 0 else 1.0
        return (
            f"embeddings: k-means computes in float32, and rounding hides {share:.0%} of the "
            f"distance from rows to centroids; feature {worst}, which spans "
            f"{self.span[worst]:.3g}, loses most: subtract an offset, rescale it or leave it out"
        )


def grid_warning(rows: Any, fit: Fit, unit: float) -> str | None:
    """Return a warning if a few distant rows make the grid too coarse for the others, else None.

    Parameters
    ----------
    rows : ndarray or DeviceArray of float32, shape (t, d)
        In random order.
    fit : Fit
        Their fit.
    unit : float
        Size of one unit of the rows' coordinates, in the pool's own unit.
    """
    if fit.grid is None:
        return None
    sample = to_host(rows[:_FEWEST_ROWS]).astype(np.float64)
    usual = np.square(sample - np.median(sample, axis=0))
    steps = 1 / to_host(fit.grid.values)[sample.shape[1] : -1]
    rounding = np.where(usual.max(axis=0) > 0, np.square(steps) / 12, 0.0)
    per_row = fit.inertia / len(rows) or float(np.median(usual, axis=0).sum())
    if not rounding.sum() > _WARN_ABOVE**2 * per_row > 0:
        return None
    worst = int(rounding.argmax())
    return (
        f"embeddings: a few rows lie so far from the others that k-means sums feature {worst} in "
        f"steps of {steps[worst] * unit:.3g}, too coarse for the distances between most rows: "
        "exclude these rows, or rescale them"
    )


def training_frame(
    pool: Pool, size: int, *, seed: int, eligible: NDArray[np.bool_] | None
) -> TrainingFrame:
    """Return the frame for training rows of a wide pool, from the first of the drawn rows.

    Raises
    ------
    ValueError
        If rows are not finite, or squared distances between them overflow or vanish.
    """
    most = max(_FEWEST_ROWS, min(_MOST_ROWS, _BYTES // (8 * pool.d)))
    sample = np.sort(sample_rows(pool.n, min(size, most), seed, eligible))
    points = as_float(pool.gather(sample)).astype(np.float64, copy=False)
    if not np.isfinite(points).all():
        raise nonfinite_error(pool, eligible)
    check_squares(points, "embeddings", sample)
    frame = Frame.of(points)
    rounding = frame.rounding(points)
    merged = _distinct(frame.narrow(points)) < _distinct(points)
    if pool.dtype_name in ("int64", "uint64"):  # what float64 has rounded already
        step = np.spacing(np.abs(points))
        rounding += np.where(step > 1, np.square(step * frame.scale) / 12, 0.0).mean(axis=0)
        merged |= bool((step > 1).any())
    return TrainingFrame(frame, rounding, points.max(axis=0) - points.min(axis=0), merged)


def _distinct(rows: NDArray[Any]) -> int:
    return len({row.tobytes() for row in rows + 0.0})  # a negative zero is a zero
