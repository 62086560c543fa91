"""The checks of arguments that `kmeans`, `assign` and `select` share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import _cpu, checks
from ally_fast._settings import MOST_THREADS
from ally_fast.cluster.loaded_rows import loaded
from ally_fast.cluster.magnitude import check_squares
from ally_fast.device_arrays import host_copy
from ally_fast.ops.assign import squared_norms
from ally_fast.pools.array_pool import ArrayPool
from ally_fast.pools.pool import Pool, as_float
from ally_fast.rows import Rows

METRICS = ("euclidean", "cosine")
_UNIT = 2.0**-20  # of a squared length


def checked_k(k: Any, n: int) -> int:
    """Return the number of clusters, at most the number of rows of the pool."""
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


def checked_threads(number: Any) -> int | None:
    """Return the number of threads that was passed as an argument; None stays None.

    Raises
    ------
    ValueError, TypeError
        If it is not an integer from 1 to `MOST_THREADS`.
    """
    if number is None:
        return None
    count = checks.integer(number, "threads", 1)
    if count > MOST_THREADS:
        raise ValueError(f"threads: got {count}, needs at most {MOST_THREADS}")
    return count


def checked_tol(tol: Any) -> float:
    """Return a tolerance of at least 0."""
    tolerance = checks.number(tol, "tol")
    if tolerance < 0:
        raise ValueError(f"tol: got {tolerance}, needs at least 0")
    return tolerance


def checked_points(x: Any, name: str, d: int, normalize: bool) -> NDArray[Any]:
    """Return points, shape (any, d), to compare rows with: float64, or unit rows of float32."""
    rows = _rows(x, name, None, d)
    points = _finite(rows, name).astype(np.float64)
    if normalize:
        return loaded(rows.seen(normalize=True))[0]
    check_squares(points, name)
    return points


def checked_centroids(
    centroids: Any, k: int | None, d: int, normalize: bool, name: str = "centroids"
) -> NDArray[Any]:
    """Return given centroids, shape (k, d): float64 if they are wide, else float32.

    With `normalize` they are float32 of unit length. Those that already have unit length up to
    rounding stay unchanged, so that you can reuse centroids of an earlier round bit for bit.
    """
    rows = _rows(centroids, name, k, d)
    matrix = _finite(rows, name)
    if not len(matrix):
        raise ValueError(f"{name}: got shape {matrix.shape}, needs at least one row")
    if not normalize:
        check_squares(matrix, name)
        return matrix
    with np.errstate(over="ignore"):
        narrow = matrix.astype(np.float32)
    unit, _ = loaded(rows.seen(normalize=True))
    return np.where(np.abs(squared_norms(narrow) - 1)[:, None] <= _UNIT, narrow, unit)


def _rows(x: Any, name: str, k: int | None, d: int) -> Rows:
    """Return the rows of an argument, shape (k, d); any number of rows if `k` is None."""
    pool = ArrayPool(host_copy(x), name)
    if pool.d != d or k not in (None, pool.n):
        needed = f"({'any' if k is None else k}, {d})"
        raise ValueError(f"{name}: got shape ({pool.n}, {pool.d}), needs {needed}")
    return pool.read(0, pool.n)


def _finite(rows: Rows, name: str) -> NDArray[Any]:
    """Return rows as a new array of float32, or of float64 if they are float64."""
    matrix = np.ascontiguousarray(as_float(rows))
    if not np.isfinite(matrix).all():
        raise ValueError(f"{name}: holds NaN or infinite values, needs finite ones")
    return matrix
