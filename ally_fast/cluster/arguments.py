"""Arguments that `kmeans`, `assign` and `select` share, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import _cpu, checks
from ally_fast.cluster.loaded_rows import loaded
from ally_fast.device_arrays import host_copy
from ally_fast.ops.assign import squared_norms
from ally_fast.pools.array_pool import ArrayPool
from ally_fast.pools.pool import Pool, as_float

METRICS = ("euclidean", "cosine")
_UNIT = 2.0**-20  # of a squared length


def checked_k(k: Any, n: int) -> int:
    """Return the number of clusters, at most the rows of the pool."""
    clusters = checks.integer(k, "k", 1)
    if clusters > n:
        raise ValueError(f"k: got {clusters}, needs at most the {n} rows of embeddings")
    return clusters


def checked_pool(pool: Pool) -> Pool:
    """Return a pool whose dimensions the core can work with."""
    if not 1 <= pool.d <= _cpu.LARGEST_D:
        raise ValueError(
            f"embeddings: got shape ({pool.n}, {pool.d}), needs 1 to {_cpu.LARGEST_D} features"
        )
    return pool


def checked_tol(tol: Any) -> float:
    """Return a tolerance of at least 0."""
    tolerance = checks.number(tol, "tol")
    if tolerance < 0:
        raise ValueError(f"tol: got {tolerance}, needs at least 0")
    return tolerance


def float32_matrix(
    x: Any, name: str, shape: tuple[int | None, int], normalize: bool
) -> NDArray[np.float32]:
    """Return `x` as finite contiguous float32 of the shape given (None: any), a copy."""
    pool = ArrayPool(host_copy(x), name)
    rows, d = pool.n, pool.d
    if d != shape[1] or rows != (rows if shape[0] is None else shape[0]):
        needed = f"({'any' if shape[0] is None else shape[0]}, {shape[1]})"
        raise ValueError(f"{name}: got shape ({rows}, {d}), needs {needed}")
    matrix, finite = loaded(pool.read(0, rows), None, normalize)
    if not finite:
        raise ValueError(f"{name}: holds NaN or infinite values, needs finite float32 ones")
    return matrix


def checked_points(x: Any, name: str, d: int, normalize: bool) -> NDArray[Any]:
    """Return points, shape (any, d), that rows are compared with: float64, or unit float32."""
    if normalize:
        return float32_matrix(x, name, (None, d), normalize=True)
    part = ArrayPool(host_copy(x), name)
    if part.d != d:
        raise ValueError(f"{name}: got shape ({part.n}, {part.d}), needs (any, {d})")
    points = as_float(part.read(0, part.n)).astype(np.float64)
    if not np.isfinite(points).all():
        raise ValueError(f"{name}: holds NaN or infinite values, needs finite ones")
    return points


def checked_centroids(
    centroids: Any, k: int | None, d: int, normalize: bool
) -> NDArray[np.float32]:
    """Return given centroids, shape (k, d); with `normalize` of unit length.

    Those that have unit length up to rounding stay as they are, so that centroids of an earlier
    round are used again bit for bit.
    """
    matrix = float32_matrix(centroids, "centroids", (k, d), normalize=False)
    if not len(matrix):
        raise ValueError(f"centroids: got shape {matrix.shape}, needs at least one row")
    if not normalize:
        return matrix
    squares = squared_norms(matrix)
    unit = float32_matrix(matrix, "centroids", (k, d), normalize=True)
    return np.where(np.abs(squares - 1)[:, None] <= _UNIT, matrix, unit)
