"""Nearest centroids, and exact distances to given centroids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import _cpu, _settings
from ally_fast.rows import Rows

if TYPE_CHECKING:
    from ally_fast._cuda import DeviceArray, Stream

PackedPoints = _cpu.PackedPoints
AssignStats = _cpu.AssignStats


def packed_points(centroids: Any) -> Any:
    """Pack finite centroids, shape (k, d), float32 or float64, for ops in the same memory."""
    if isinstance(centroids, np.ndarray):
        return PackedPoints(
            np.ascontiguousarray(centroids), _settings.isa(), threads=_settings.threads()
        )
    from ally_fast import _cuda

    return _cuda.PackedPoints(centroids)


def assign(rows: Rows, table: Any, *, certify: bool = True) -> tuple[Any, Any]:
    """Assign each row to its nearest centroid by the exact rule of `squared_distances`.

    Equivalent to ``argmin`` over the table of `squared_distances`, lowest index on a tie.

    Parameters
    ----------
    rows : Rows
        In host or device memory.
    table : PackedPoints
        From `packed_points`, of centroids in the same memory.
    certify : bool
        False keeps the winners of the low-precision pass: not exact, for measurements only.

    Returns
    -------
    assignments : ndarray or DeviceArray of int32, shape (len(rows),)
        -1 for a row with a NaN or infinite feature.
    stats : AssignStats
        How many rows were uncertain after the fast pass, and how many were not finite. For rows in
        device memory, a DeviceArray of int64: uncertain, candidates, not finite, and the first row
        that is not finite.

    Notes
    -----
    O(m k d) time in low precision. The answer does not depend on device, instruction set or
    threads.
    """
    if not isinstance(rows.array, np.ndarray):
        counts = device_stats(rows.array.stream)
        return assign_on_device(rows, table, counts, certify=certify), counts
    assignments = np.empty(len(rows), np.int32)
    stats = _cpu.assign(
        rows.array,
        table,
        assignments,
        **rows.view,
        threads=_settings.threads(),
        certify=certify,
    )
    return assignments, stats


def device_stats(stream: Stream) -> DeviceArray:
    """Return the initial counts for `assign_on_device`, shape (4,)."""
    from ally_fast import _cuda

    return _cuda.DeviceArray.from_host(np.array([0, 0, 0, -1], np.int64), stream)


def assign_on_device(
    rows: Rows,
    table: Any,
    stats: DeviceArray,
    *,
    mask: DeviceArray | None = None,
    out: DeviceArray | None = None,
    certify: bool = True,
) -> DeviceArray:
    """Queue `assign` on the rows' stream, and add to `stats`; rows where `mask` is 0 get -1."""
    from ally_fast import _cuda

    if out is None:
        out = _cuda.DeviceArray.empty((len(rows),), np.int32, rows.array.stream)
    _cuda.assign(
        rows.array,
        table,
        out,
        stats,
        **rows.view,
        mask=mask,
        certify=certify,
        kernel=_settings.cuda_kernel(),
    )
    return out


def squared_distances(
    rows: Rows, table: PackedPoints, assignments: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Return each row's squared Euclidean distance to its centroid, by the exact rule.

    There are eight float64 partial sums; feature ``j`` is added to sum ``j % 8``, in order of
    ``j``. Multiplying and adding round separately. The total is
    ``((a0+a4)+(a2+a6)) + ((a1+a5)+(a3+a7))``.

    Returns
    -------
    ndarray of float64, shape (len(rows),)
    """
    return _cpu.squared_distances(
        rows.array, table, assignments, **rows.view, threads=_settings.threads()
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
    origin = packed_points(np.zeros((1, rows.shape[1])))
    return squared_distances(Rows(rows), origin, np.zeros(len(rows), np.int32))
