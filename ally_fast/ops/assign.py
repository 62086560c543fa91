"""Nearest centroids, and exact distances to given ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import _cpu, _settings

if TYPE_CHECKING:
    from ally_fast._cuda import DeviceArray, Stream

CentroidTable = _cpu.CentroidTable
AssignStats = _cpu.AssignStats


def centroid_table(centroids: Any) -> Any:
    """Pack finite centroids, shape (k, d), float32 or float64, for what computes where they are."""
    if isinstance(centroids, np.ndarray):
        return CentroidTable(np.ascontiguousarray(centroids), _settings.isa())
    from ally_fast import _cuda

    return _cuda.CentroidTable(centroids)


def assign(
    rows: Any,
    table: Any,
    *,
    bf16: bool = False,
    normalize: bool = False,
    positions: Any = None,
    certify: bool = True,
) -> tuple[Any, Any]:
    """Assign each row to its nearest centroid by the exact rule of `squared_distances`.

    Equivalent to ``argmin`` over the table of `squared_distances`, lowest index on a tie.

    Parameters
    ----------
    rows : ndarray or DeviceArray, shape (m, d)
        float16, float32 or float64, or uint16 bits of bfloat16 with `bf16`; any strides.
    table : CentroidTable
        From `centroid_table`, of centroids in the same memory.
    bf16, normalize : bool
        The rows are bfloat16 bits; rows are scaled to unit length first.
    positions : ndarray or DeviceArray of int64, optional
        Assign ``rows[positions]`` only.
    certify : bool
        False keeps the low-precision winners: not exact, for measurements only.

    Returns
    -------
    assignments : ndarray or DeviceArray of int32
        -1 for a row with a NaN or infinite feature.
    stats : AssignStats
        How many rows were uncertain after the fast pass, and how many were not finite. Of rows in
        device memory a DeviceArray of int64: uncertain, candidates, not finite, the first such.

    Notes
    -----
    O(m k d) time in low precision. The answer does not depend on device, instruction set or
    threads.
    """
    if not isinstance(rows, np.ndarray):
        counts = device_stats(rows.stream)
        found = assign_on_device(
            rows,
            table,
            counts,
            bf16=bf16,
            normalize=normalize,
            positions=positions,
            certify=certify,
        )
        return found, counts
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


def device_stats(stream: Stream) -> DeviceArray:
    """Return the counts of `assign_on_device` before any row, shape (4,)."""
    from ally_fast import _cuda

    return _cuda.DeviceArray.from_host(np.array([0, 0, 0, -1], np.int64), stream)


def assign_on_device(
    rows: DeviceArray,
    table: Any,
    stats: DeviceArray,
    *,
    bf16: bool = False,
    normalize: bool = False,
    positions: DeviceArray | None = None,
    mask: DeviceArray | None = None,
    out: DeviceArray | None = None,
    certify: bool = True,
) -> DeviceArray:
    """Queue `assign` on the rows' stream; rows where `mask` is 0 get -1. Adds to `stats`."""
    from ally_fast import _cuda

    if out is None:
        count = len(rows) if positions is None else len(positions)
        out = _cuda.DeviceArray.empty((count,), np.int32, rows.stream)
    _cuda.assign(
        rows,
        table,
        out,
        stats,
        bf16=bf16,
        normalize=normalize,
        positions=positions,
        mask=mask,
        certify=certify,
        kernel=_settings.cuda_kernel(),
    )
    return out


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
