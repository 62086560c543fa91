"""`select`: a batch of pool rows, diverse by cluster and best by score."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import _settings, checks
from ally_fast.arrays import to_family
from ally_fast.cluster.arguments import (
    METRICS,
    checked_centroids,
    checked_k,
    checked_points,
    checked_pool,
    checked_tol,
)
from ally_fast.cluster.choose_engine import choose_engine
from ally_fast.cluster.engine import Engine
from ally_fast.cluster.kmeans import train
from ally_fast.cluster.pool_pass import assign_pool
from ally_fast.cluster.result import KMeansResult
from ally_fast.cluster.training import training_size
from ally_fast.device import choose_devices
from ally_fast.ops.assign import centroid_table, squared_distances
from ally_fast.pools import as_pool
from ally_fast.pools.chunks import chunk_size
from ally_fast.pools.pool import Pool
from ally_fast.selection.allocation import Allocation
from ally_fast.selection.assigned import batch_of_assigned
from ally_fast.selection.batch import EMPTY, Batch, cut, offers
from ally_fast.selection.clock import Clock
from ally_fast.selection.eligibility import drop_rows_above, drop_rows_near, rows_not_excluded
from ally_fast.selection.info import SelectionInfo
from ally_fast.selection.scan import scan
from ally_fast.selection.scores import Scores


def select(
    embeddings: Any,
    dual_scores: Any,
    b: int,
    k: int,
    *,
    allocation: Any = "equal",
    exclude: Any = None,
    labeled_embeddings: Any = None,
    radius: float | None = None,
    max_score: float | None = None,
    centroids: Any = None,
    train_size: Any = "auto",
    max_iter: int = 25,
    tol: float = 1e-3,
    metric: str = "euclidean",
    engine: str = "auto",
    device: str = "auto",
    seed: int = 0,
    chunk_rows: int | None = None,
    progress: bool = False,
    return_info: bool = False,
) -> Any:
    """Select exactly `b` distinct pool rows to label: the best scores, spread over `k` clusters.

    Equivalent to, with ``c`` the nearest centroid of each eligible row, ``rank`` its 0-based place
    in its cluster by (score descending, index ascending) and ``w`` the clusters' weights::

        order = np.lexsort((index, -score, (rank + 0.5) / w[c]))
        indices = index[order][:b]

    Parameters
    ----------
    embeddings : array, shape (n, d), or pool
        float16, bfloat16, float32, float64 or integers; any strides; NumPy, ``np.memmap``,
        anything with ``__dlpack__``, on the CPU or a GPU; Arrow, pandas or Polars; or a pool of
        `ally_fast.pools`. Rows that are not eligible may hold anything.
    dual_scores : array, shape (n,)
        Predicted dual variables, finite, integers up to 2**53; higher is more informative. Those
        of excluded rows may be anything.
    b : int
        Budget, from 0 to the number of eligible rows.
    k : int
        Number of clusters, ``1 <= k <= n``.
    allocation : "equal", "proportional", "sqrt" or array, shape (k,)
        Clusters' weights: all 1, eligible size, its square root, or those given (above 0).
    exclude : array, optional
        Rows never taken: a bool mask, shape (n,), or integer indices, also as a set. A mask of
        integers is refused.
    labeled_embeddings : array, shape (l, d), optional
        With `radius`, rows within it of one of these are never taken.
    radius : float, optional
        Euclidean distance above 0 (between unit rows, with ``metric="cosine"``). Picks block one
        another, too: a row within it of an earlier pick is passed over, and its cluster offers its
        next best.
    max_score : float, optional
        Rows scoring above are never taken (suspected outliers or mislabeled rows).
    centroids : array, shape (k, d), optional
        Use these, from an earlier round say, instead of training.
    train_size : "auto", None or int
        Rows k-means trains on: ``min(eligible, 256 k)``, all eligible, or this many.
    max_iter, tol : int, float
        k-means stops once inertia falls by less than `tol` of itself, or after `max_iter`.
    metric : "euclidean" or "cosine"
        Cosine: rows and centroids are scaled to unit length; the pool is not copied.
    engine : "auto", "native", "faiss" or "sklearn"
        Who trains and assigns; "auto" is the native engine. Everything after is the same code.
    device : "auto", "cpu", "cuda", "cuda:N", or several CUDA devices
        Where to compute. "auto": where the embeddings are. Rows in host memory stream to the
        devices named, ``"cuda:0,cuda:1"`` say, of which each takes a part of the pool.
    seed : int
        Of the training sample and the start of k-means.
    chunk_rows : int, optional
        Rows read at once; by default about 64 MiB of them. Does not change the answer.
    progress : bool
        Show progress on a terminal.
    return_info : bool
        Return a `SelectionInfo` as well.

    Returns
    -------
    indices : array of int64, shape (b,)
        Distinct pool indices in priority order, in the array family of `embeddings`: the first
        ``b'`` of them are the answer for a smaller budget ``b'``.
    info : SelectionInfo
        With ``return_info=True``.

    Raises
    ------
    ValueError
        For an argument that cannot be used, naming it, what came and what is needed; NaN or
        infinite scores or embeddings (how many, the first); fewer than `b` rows to be had.
    TypeError
        If an array does not hold real numbers.
    ImportError
        If an engine's package is missing; names the extra that brings it.
    RuntimeError
        If a device or instruction set is asked for that this machine or build cannot use.

    Notes
    -----
    Source: ALLY, Algorithm 2 and section 4.1; radius: Appendix D.2; score cap: section 5.4. For
    clusters of at least ``b / k`` rows and ``k`` dividing ``b`` it is Algorithm 2.

    With the native engine the answer is the same bit for bit on any instruction set, on the CPU or
    GPUs, for any number of threads and any chunk size. Memory beside the pool: training rows in
    float32, one chunk, O(k d + b); 1 byte a row where rows are ineligible; 4 bytes a row with
    `radius`, "proportional" or "sqrt"; with `radius` also the rows on offer, a few times `b`, more
    where many are passed over. Time: about ``(training iterations * 256 k + n) k d`` multiply-adds
    at most, most of them in low precision.

    Examples
    --------
    >>> import numpy as np, ally_fast
    >>> rng = np.random.default_rng(0)
    >>> embeddings = rng.standard_normal((1000, 16), dtype=np.float32)
    >>> scores = rng.random(1000)
    >>> batch = ally_fast.select(embeddings, scores, b=20, k=10)
    >>> batch.shape, len(set(batch.tolist()))
    ((20,), 20)
    """
    clock = Clock()
    pool = checked_pool(as_pool(embeddings))
    b, k = checks.integer(b, "b", 0), checked_k(k, pool.n)
    normalize = checks.choice(metric, "metric", METRICS) == "cosine"
    shares = Allocation(allocation, k)
    if radius is not None:
        radius = checks.number(radius, "radius")
        if not 1e-150 <= radius <= 1e154:  # its square must fit into float64
            raise ValueError(f"radius: got {radius}, needs a distance from 1e-150 to 1e154")
    if labeled_embeddings is not None and radius is None:
        raise ValueError("labeled_embeddings: has no effect without radius; needs radius as well")
    if max_score is not None:
        max_score = checks.number(max_score, "max_score")
    max_iter, tol = checks.integer(max_iter, "max_iter", 1), checked_tol(tol)
    seed = checks.seed(seed)
    training_size(train_size, k, pool.n)
    rows_at_once = chunk_size(pool, chunk_rows)
    devices = choose_devices(device, pool.device)
    _settings.threads()
    runner = choose_engine(engine, devices, pool.stream)
    given = None if centroids is None else checked_centroids(centroids, k, pool.d, normalize)
    labeled = None
    if labeled_embeddings is not None:
        labeled = checked_points(labeled_embeddings, "labeled_embeddings", pool.d, normalize)
    eligible = rows_not_excluded(exclude, pool.n)
    scores = Scores(dual_scores, pool.n, eligible)
    eligible = drop_rows_above(scores, pool.n, eligible, max_score)
    _check_eligible(eligible, pool.n, b, "")
    clock.lap("check")

    bytes_read = 0
    row_bytes = pool.d * pool.itemsize
    if labeled is not None and len(labeled) and radius is not None:
        bytes_read += _count(eligible, pool.n) * row_bytes
        near = runner.nearness(labeled, radius, normalize=normalize)
        eligible = drop_rows_near(pool, near, eligible, chunk_rows=rows_at_once, progress=progress)
        _check_eligible(eligible, pool.n, b, f" (radius {radius} around labeled_embeddings)")
    clock.lap("radius")
    eligible_rows = _count(eligible, pool.n)

    if given is not None or b == 0:
        trained = _untrained(given, k, pool.d, runner, ",".join(devices), seed)
    else:
        if eligible_rows < k:
            raise ValueError(f"k: got {k}, needs at most the {eligible_rows} eligible rows")
        trained = train(
            pool,
            k,
            engine=runner,
            size=training_size(train_size, k, eligible_rows),
            max_iter=max_iter,
            tol=tol,
            normalize=normalize,
            seed=seed,
            device=",".join(devices),
            eligible=eligible,
            progress=progress,
        )
        bytes_read += trained.train_rows * row_bytes
        clock.skip(trained.seconds)

    if b == 0:
        sizes, batch = np.zeros(k, np.int64), EMPTY
    else:
        assigners = runner.assigners(trained.centroids, normalize=normalize)
        if radius is not None or shares.needs_sizes:
            assignments = assign_pool(
                pool, assigners, eligible, chunk_rows=rows_at_once, progress=progress
            )
            clock.lap("assign")
            sizes = np.bincount(assignments[assignments >= 0], minlength=k)
            batch = batch_of_assigned(
                pool, scores, assignments, sizes, shares.weights(sizes), b, radius, normalize
            )
        else:
            shortlist = scan(
                pool,
                scores,
                assigners,
                eligible,
                shares.weights(),
                b,
                chunk_rows=rows_at_once,
                progress=progress,
            )
            clock.lap("assign")
            sizes = shortlist.sizes
            batch = cut(offers(shortlist), shares.weights(), b)
        bytes_read += eligible_rows * row_bytes
    clock.lap("batch")

    indices = to_family(batch.indices, pool.family)
    if not return_info:
        return indices
    distances = _distances(pool, batch, trained.centroids, normalize)
    return indices, SelectionInfo(
        scores=batch.scores,
        clusters=batch.clusters,
        ranks=batch.ranks,
        distances=distances,
        centroids=trained.centroids,
        cluster_sizes=sizes,
        cluster_counts=np.bincount(batch.clusters, minlength=k),
        inertia=None if given is not None or b == 0 else trained.inertia,
        n_iter=trained.n_iter,
        train_rows=trained.train_rows,
        eligible_rows=eligible_rows,
        engine=runner.name,
        device=trained.device,
        isa=trained.isa,
        seed=seed,
        seconds=clock.total(),
        bytes_read=bytes_read + b * row_bytes,
        peak_bytes=_peak_bytes(),
    )


def _count(eligible: NDArray[np.bool_] | None, n: int) -> int:
    return n if eligible is None else int(np.count_nonzero(eligible))


def _check_eligible(eligible: NDArray[np.bool_] | None, n: int, b: int, after: str) -> None:
    count = _count(eligible, n)
    if count < b:
        raise ValueError(f"b: got {b}, needs at most the {count} eligible rows of {n}{after}")


def _untrained(
    given: NDArray[Any] | None,
    k: int,
    d: int,
    engine: Engine,
    device: str,
    seed: int,
) -> KMeansResult:
    """Return the record of centroids that were given, or not needed."""
    centroids = np.zeros((k, d), np.float32) if given is None else given
    return KMeansResult(centroids, 0.0, 0, 0, engine.name, device, engine.isa, seed, {})


def _distances(
    pool: Pool, batch: Batch, centroids: NDArray[Any], normalize: bool
) -> NDArray[np.float64]:
    """Return each pick's Euclidean distance to its centroid; the picks are read again."""
    order = np.argsort(batch.indices)
    rows = pool.gather(batch.indices[order])
    squared = np.empty(len(order))
    squared[order] = squared_distances(
        rows.array,
        centroid_table(centroids),
        batch.clusters[order],
        bf16=rows.bf16,
        normalize=normalize,
    )
    return np.sqrt(squared)


def _peak_bytes() -> int:
    try:
        import resource
    except ImportError:  # not a POSIX system
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
