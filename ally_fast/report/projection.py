"""A pool in two dimensions: the two directions in which its sample varies most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ally_fast.cluster.loaded_rows import loaded
from ally_fast.memory import to_host
from ally_fast.pools.pool import as_float
from ally_fast.rows import Rows

_BLOCK_ROWS = 2048


@dataclass(frozen=True, eq=False)
class Projection:
    """A plane fitted to rows.

    Attributes
    ----------
    centre : ndarray, shape (d,)
        Mean of the fitted rows.
    axes : ndarray, shape (d, 2)
        The first two principal axes; the entry of largest magnitude is positive in each.
    explained : ndarray, shape (2,)
        Share of the variance along each axis.
    """

    centre: NDArray[np.float64]
    axes: NDArray[np.float64]
    explained: NDArray[np.float64]

    def __call__(self, rows: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the places of rows in the plane, shape (m, 2)."""
        points = [np.empty((0, 2))]
        points += [(rows[part] - self.centre) @ self.axes for part in _blocks(len(rows))]
        return np.concatenate(points)


def fit_projection(rows: NDArray[np.floating]) -> Projection:
    """Fit the plane of largest variance (principal component analysis).

    Parameters
    ----------
    rows : ndarray, shape (m, d)
        Finite rows.

    Notes
    -----
    Takes O(m d^2) time and O(d^2) memory; deterministic.
    """
    d = rows.shape[1]
    if len(rows) == 0:
        return Projection(np.zeros(d), np.eye(d, 2), np.zeros(2))
    centre = rows.mean(axis=0, dtype=np.float64)
    spread = np.zeros((d, d))
    for part in _blocks(len(rows)):
        centred = rows[part] - centre
        spread += centred.T @ centred
    variances, axes = np.linalg.eigh(spread / len(rows))
    axes, variances = axes[:, ::-1][:, :2], np.maximum(variances[::-1], 0.0)
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=0, keepdims=True), axis=0)
    axes = axes * np.where(largest < 0, -1.0, 1.0)
    total = variances.sum()
    explained = variances[:2] / total if total > 0 else np.zeros(min(2, d))
    if d < 2:
        axes, explained = np.pad(axes, ((0, 0), (0, 2 - d))), np.pad(explained, (0, 2 - d))
    return Projection(centre, axes, explained)


def rows_as_seen(rows: Rows, metric: str) -> NDArray[np.floating]:
    """Return a copy of rows as float32 or float64, with unit length if the metric is cosine."""
    if metric != "cosine":
        return as_float(rows)
    return loaded(Rows(to_host(rows.array), rows.bf16, normalize=True))[0]


def _blocks(m: int) -> list[slice]:
    """Return slices of `m` rows, each small even as float64."""
    return [slice(lo, lo + _BLOCK_ROWS) for lo in range(0, m, _BLOCK_ROWS)]
