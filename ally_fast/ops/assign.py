"""Nearest centroids, and exact distances to given ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import _cpu, _settings

CentroidTable = _cpu.CentroidTable
AssignStats = _cpu.AssignStats


def centroid_table(centroids: NDArray[Any]) -> CentroidTable:
    """Pack centroids, shape (k, d), float32 or float64, finite, for the instruction set in use."""
    return CentroidTable(np.ascontiguousarray(centroids), _settings.isa())


def assign(
    rows: NDArray[Any],
    table: CentroidTable,
    *,
    bf16: bool = False,
    normalize: bool = False,
    positions: NDArray[np.int64] | None = None,
    certify: bool = True,
) -> tuple[NDArray[np.int32], AssignStats]:
    """Assign each row to its nearest centroid by the exact rule of `squared_distances`.

    Equivalent to ``argmin`` over the table of `squared_distances`, lowest index on a tie.

    Parameters
    ----------
    rows : ndarray, shape (m, d)
        float16, float32 or float64, or uint16 bits of bfloat16 with `bf16`; any strides.
    table : CentroidTable
        From `centroid_table`.
    bf16, normalize : bool
        The rows are bfloat16 bits; rows are scaled to unit length first.
    positions : ndarray of int64, optional
        Assign ``rows[positions]`` only.
    certify : bool
        False keeps the low-precision winners: not exact, for measurements only.

    Returns
    -------
    assignments : ndarray of int32
        -1 for a row with a NaN or infinite feature.
    stats : AssignStats
        How many rows were uncertain after the fast pass, and how many were not finite.

    Notes
    -----
    O(m k d) time in low precision. The answer does not depend on instruction set or threads.
    """
    count = len(rows) if positions is None else len(positions)
    assignments = np.empty(count, np.int32)
    stats = _cpu.assign(
        rows,
        table,
        assignments,
        bf16=bf16,
        normalize=normalize,
        positions=positions,
        threads=_settings.threads(),
        certify=certify,
    )
    return assignments, stats


def squared_distances(
    rows: NDArray[Any],
    table: CentroidTable,
    assignments: NDArray[np.int32],
    *,
    bf16: bool = False,
    normalize: bool = False,
    positions: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """Return each row's squared Euclidean distance to its centroid, by the exact rule.

    Eight float64 partial sums, feature ``j`` going to sum ``j % 8`` in order of ``j``; multiply and
    add round separately; then ``((a0+a4)+(a2+a6)) + ((a1+a5)+(a3+a7))``.

    Returns
    -------
    ndarray of float64, shape (m,)
    """
    return _cpu.squared_distances(
        rows,
        table,
        assignments,
        bf16=bf16,
        normalize=normalize,
        positions=positions,
        threads=_settings.threads(),
    )


def squared_norms(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Return each row's squared Euclidean norm, summed as in `squared_distances`.

    Parameters
    ----------
    rows : ndarray of float32 or float64, shape (m, d), finite

    Returns
    -------
    ndarray of float64, shape (m,)
    """
    origin = centroid_table(np.zeros((1, rows.shape[1])))
    return squared_distances(rows, origin, np.zeros(len(rows), np.int32))
