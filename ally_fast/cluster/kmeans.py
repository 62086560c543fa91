"""The public calls `kmeans` and `assign`: cluster a pool, and assign rows to given centroids."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import _settings, checks
from ally_fast.arrays import to_family
from ally_fast.cluster.arguments import (
    METRICS,
    checked_centroids,
    checked_k,
    checked_pool,
    checked_threads,
    checked_tol,
)
from ally_fast.cluster.averages import most_passes
from ally_fast.cluster.choose_engine import choose_engine
from ally_fast.cluster.engine import Engine
from ally_fast.cluster.fit import MAX_ITER, TOL, FitOptions, TrainingOptions
from ally_fast.cluster.frame import PrecisionWarning, grid_warning, training_frame
from ally_fast.cluster.pool_pass import assign_pool
from ally_fast.cluster.result import KMeansResult
from ally_fast.cluster.training import Draw, training_size
from ally_fast.device import choose_devices
from ally_fast.pools import as_pool
from ally_fast.pools.chunks import chunk_size
from ally_fast.pools.finite import finite_rows
from ally_fast.pools.pool import Pool, is_wide
from ally_fast.progress import Progress


def kmeans(
    embeddings: Any,
    k: int,
    *,
    train_size: Any = "auto",
    max_iter: int = MAX_ITER,
    tol: float = TOL,
    metric: str = "euclidean",
    engine: str = "auto",
    device: str = "auto",
    seed: int = 0,
    init: Any = None,
    threads: int | None = None,
    chunk_rows: int | None = None,
    progress: bool = False,
) -> KMeansResult:
    """Cluster a pool of embeddings by k-means.

    Parameters
    ----------
    embeddings : array, shape (n, d), pool, path or table
        As for `select`: float16, bfloat16, float32, float64 or integers, with any strides. Arrays
        may be NumPy, ``np.memmap``, or anything with ``__dlpack__``, on the CPU or a GPU. Whatever
        `open_pool` takes or returns works as well.
    k : int
        Number of clusters, ``1 <= k <= n``.
    train_size : "auto", None or int
        Number of rows to train on; `seed` decides which. "auto": ``min(n, 256 k)``. None: all.
    max_iter, tol : int, float
        When training stops iterating over all training rows: once an iteration lowers inertia by
        less than the fraction `tol`, or after `max_iter` iterations. Usually one or two are enough.
    metric : "euclidean" or "cosine"
        "cosine" scales rows and centroids to unit length, without a copy of the pool.
    engine : "auto", "native", "faiss" or "sklearn"
        Library that trains; "auto" is the native engine.
    device : "auto", "cpu", "cuda", "cuda:N"
        Where to compute. "auto": where the embeddings are.
    seed : int
        Seed of the draw of training rows. The first rows of the draw are the start.
    init : array, shape (k, d), optional
        Centroids to start from, such as those of an earlier round.
    threads : int, optional
        Number of CPU threads; see `select`.
    chunk_rows : int, optional
        Accepted for symmetry with `select`; training rows are gathered in small parts anyway.
    progress : bool
        Show progress on standard error; see `select`.

    Returns
    -------
    KMeansResult
        With the native engine it is the same, bit for bit, on any instruction set and with any
        number of threads.

    Raises
    ------
    ValueError, TypeError, ImportError, RuntimeError
        If an argument cannot be used; the message names it, what came and what is needed.

    Warns
    -----
    PrecisionWarning
        If rounding to float32 hides more than 3 % of the distance between rows and centroids.

    Notes
    -----
    Training uses moving averages over batches of rows, merges and splits clusters where that pays,
    and ends with full iterations; see ``docs/performance.md``. Memory: the training rows in
    float32, and O(k d). Time: about ``3 t k d`` multiply-adds for `t` training rows. Rows of
    float64 and of 32 or 64 bit integers are shifted, and scaled by a power of two, for training. So
    a large offset costs no digits; the centroids of such rows are float64.

    Examples
    --------
    >>> import numpy as np, ally_fast
    >>> x = np.random.default_rng(0).standard_normal((500, 8), dtype=np.float32)
    >>> ally_fast.kmeans(x, 10).centroids.shape
    (10, 8)
    """
    started = time.perf_counter()
    pool = checked_pool(as_pool(embeddings))
    k = checked_k(k, pool.n)
    max_iter = checks.integer(max_iter, "max_iter", 1)
    tol = checked_tol(tol)
    normalize = checks.choice(metric, "metric", METRICS) == "cosine"
    seed = checks.seed(seed)
    eligible, skipped = finite_rows(pool, None, chunk_size(pool, chunk_rows), progress=progress)
    if pool.n - skipped < k:
        raise ValueError(f"k: got {k}, needs at most the {pool.n - skipped} rows that are finite")
    size = training_size(train_size, k, pool.n - skipped)
    start = None if init is None else checked_centroids(init, k, pool.d, normalize, "init")
    devices = choose_devices(device, pool.device)
    with _settings.using_threads(checked_threads(threads)):
        trained = train(
            pool,
            choose_engine(engine, devices, pool.stream),
            TrainingOptions(k, size, max_iter, tol, seed, normalize, start),
            eligible=eligible,
            progress=progress,
        )
    trained.seconds["total"] = time.perf_counter() - started
    return trained


def train(
    pool: Pool,
    engine: Engine,
    options: TrainingOptions,
    *,
    eligible: NDArray[np.bool_] | None,
    progress: bool,
) -> KMeansResult:
    """Draw training rows among the eligible ones, and train; the arguments are checked already."""
    started = time.perf_counter()
    seed, normalize, wide = options.seed, options.normalize, None
    if is_wide(pool) and not normalize:
        wide = training_frame(pool, options.size, seed=seed, eligible=eligible)
    frame = None if wide is None else wide.frame
    rows = engine.training_rows(
        pool, Draw(options.size, seed, eligible, normalize, frame, progress)
    )
    sampled = time.perf_counter()
    max_iter, start = options.max_iter, options.start
    if start is not None:
        start = start.astype(np.float32) if wide is None else wide.frame.narrow(start)
    most = most_passes(options.size, options.k, max_iter)
    with Progress(progress, most, "k-means", unit="passes", at_most=True) as bar:
        fit = engine.fit(
            rows,
            options.k,
            FitOptions(max_iter, options.tol, seed, normalize, bar.advance, start),
        )
    centroids, unit = fit.centroids, 1.0
    if wide is not None:
        centroids, unit = wide.frame.widen(centroids), 1 / wide.frame.scale
        if message := wide.warning(fit.inertia / options.size):
            warnings.warn(message, PrecisionWarning, stacklevel=3)
    if message := grid_warning(rows, fit, unit):
        warnings.warn(message, PrecisionWarning, stacklevel=3)
    seconds = {"sample": sampled - started, "train": time.perf_counter() - sampled}
    return KMeansResult(
        centroids=centroids,
        inertia=fit.inertia * unit**2,
        n_iter=fit.n_iter,
        train_rows=options.size,
        engine=engine.name,
        device=engine.device,
        isa=engine.isa,
        seed=seed,
        seconds=seconds,
    )


def assign(
    embeddings: Any,
    centroids: Any,
    *,
    metric: str = "euclidean",
    device: str = "auto",
    threads: int | None = None,
    chunk_rows: int | None = None,
    progress: bool = False,
) -> Any:
    """Assign each row to its nearest centroid, exactly.

    Parameters
    ----------
    embeddings : array, shape (n, d), pool, path or table
        As for `kmeans`.
    centroids : array, shape (k, d)
        Finite. Centroids of float32 and narrower dtypes are used in float32, others in float64.
    metric : "euclidean" or "cosine"
        "cosine" scales rows and centroids to unit length first.
    device, threads, chunk_rows, progress
        As for `select`.

    Returns
    -------
    array of int32, shape (n,)
        In the array library of `embeddings`: the lowest index on a tie, and -1 for rows that a pool
        opened with ``on_bad_row="skip"`` skips. The answer is the same on any instruction set, with
        any number of threads and any chunk size.

    Raises
    ------
    ValueError, TypeError, RuntimeError
        If an argument cannot be used; the message names it, what came and what is needed.

    Notes
    -----
    The answer is the argmin of squared distances that are summed in float64 in a fixed order (see
    ``docs/exactness.md``). A certified low-precision pass finds it. O(n k d) time; 4 bytes of
    memory a row beside one chunk.

    Examples
    --------
    >>> import numpy as np, ally_fast
    >>> ally_fast.assign(np.array([[0.0], [0.9], [2.0]]), np.array([[0.0], [1.0]]))
    array([0, 1, 1], dtype=int32)
    """
    pool = checked_pool(as_pool(embeddings))
    normalize = checks.choice(metric, "metric", METRICS) == "cosine"
    matrix = checked_centroids(centroids, None, pool.d, normalize)
    rows_at_once = chunk_size(pool, chunk_rows)
    with _settings.using_threads(checked_threads(threads)):
        eligible, _ = finite_rows(pool, None, rows_at_once, progress=progress)
        devices = choose_devices(device, pool.device)
        assigners = choose_engine("native", devices, pool.stream).assigners(
            matrix, normalize=normalize
        )
        with Progress(progress, pool.n, "assign") as bar:
            assignments = assign_pool(
                pool,
                assigners,
                eligible,
                rows=(0, pool.n),
                chunk_rows=rows_at_once,
                advance=bar.advance,
            )
    return to_family(assignments, pool.family)
