"""`select`: a batch of pool rows, diverse by cluster and best by score."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Literal, overload

from ally_fast import _settings
from ally_fast.arrays import to_family
from ally_fast.cluster.arguments import checked_threads
from ally_fast.cluster.fit import MAX_ITER, TOL
from ally_fast.cluster.result import KMeansResult
from ally_fast.progress import Progress, stages
from ally_fast.selection.arguments import Arguments
from ally_fast.selection.clock import Clock
from ally_fast.selection.describe import centroid_distances, describe
from ally_fast.selection.finish import finish
from ally_fast.selection.info import SelectionInfo
from ally_fast.selection.part import Part
from ally_fast.selection.plan import Plan, make_plan
from ally_fast.selection.portion import whole_pool
from ally_fast.selection.request import check
from ally_fast.selection.scan import scan
from ally_fast.selection.task import local_task
from ally_fast.selection.train import trained_centroids


@overload
def select(
    embeddings: Any,
    dual_scores: Any,
    b: int,
    k: int,
    *,
    allocation: Any = ...,
    exclude: Any = ...,
    ids: Any = ...,
    exclude_ids: Any = ...,
    unknown_ids: str = ...,
    groups: Any = ...,
    min_per_group: Any = ...,
    max_per_group: Any = ...,
    cost: Any = ...,
    cost_budget: float | None = ...,
    labeled_embeddings: Any = ...,
    radius: float | None = ...,
    max_score: float | None = ...,
    tie_break: str = ...,
    centroids: Any = ...,
    train_size: Any = ...,
    max_iter: int = ...,
    tol: float = ...,
    metric: str = ...,
    engine: str = ...,
    device: str = ...,
    seed: int = ...,
    threads: int | None = ...,
    chunk_rows: int | None = ...,
    progress: bool = ...,
    return_info: Literal[True],
) -> tuple[Any, SelectionInfo]: ...


@overload
def select(
    embeddings: Any,
    dual_scores: Any,
    b: int,
    k: int,
    *,
    allocation: Any = ...,
    exclude: Any = ...,
    ids: Any = ...,
    exclude_ids: Any = ...,
    unknown_ids: str = ...,
    groups: Any = ...,
    min_per_group: Any = ...,
    max_per_group: Any = ...,
    cost: Any = ...,
    cost_budget: float | None = ...,
    labeled_embeddings: Any = ...,
    radius: float | None = ...,
    max_score: float | None = ...,
    tie_break: str = ...,
    centroids: Any = ...,
    train_size: Any = ...,
    max_iter: int = ...,
    tol: float = ...,
    metric: str = ...,
    engine: str = ...,
    device: str = ...,
    seed: int = ...,
    threads: int | None = ...,
    chunk_rows: int | None = ...,
    progress: bool = ...,
    return_info: bool = ...,
) -> Any: ...


def select(
    embeddings: Any,
    dual_scores: Any,
    b: int,
    k: int,
    *,
    allocation: Any = "equal",
    exclude: Any = None,
    ids: Any = None,
    exclude_ids: Any = None,
    unknown_ids: str = "error",
    groups: Any = None,
    min_per_group: Any = None,
    max_per_group: Any = None,
    cost: Any = None,
    cost_budget: float | None = None,
    labeled_embeddings: Any = None,
    radius: float | None = None,
    max_score: float | None = None,
    tie_break: str = "index",
    centroids: Any = None,
    train_size: Any = "auto",
    max_iter: int = MAX_ITER,
    tol: float = TOL,
    metric: str = "euclidean",
    engine: str = "auto",
    device: str = "auto",
    seed: int = 0,
    threads: int | None = None,
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
    embeddings : array, shape (n, d), pool, path or table
        float16, bfloat16, float32, float64 or integers; any strides; NumPy, ``np.memmap``,
        anything with ``__dlpack__``, on the CPU or a GPU; Arrow, pandas or Polars; or what
        `open_pool` takes or returns. Rows that are not eligible may hold anything.
    dual_scores : array, shape (n,), ById, callable or None
        Predicted dual variables, finite, integers up to 2**53; higher is more informative. Those
        of excluded rows may be anything, or missing. None: those of the pool. A callable, such as
        a `DualHead`, gives them as rows are read: see `docs/selection.md`.
    b : int
        Budget, from 0 to the number of eligible rows.
    k : int
        Number of clusters, ``1 <= k <= n``.
    allocation : "equal", "proportional", "sqrt" or array, shape (k,)
        Clusters' weights: all 1, eligible size, its square root, or those given (above 0).
    exclude : array, optional
        Rows never taken: a bool mask, shape (n,), or integer indices, also as a set. A mask of
        integers is refused.
    ids : array, shape (n,), optional
        What you call the rows: distinct integers or texts; by default those of the pool.
    exclude_ids : array or set, optional
        Rows never taken, by id; ids may repeat.
    unknown_ids : "error" or "ignore"
        What to do with ids in `exclude_ids` or beside scores that no row has.
    groups : array, shape (n,), or ById, optional
        The group of each row: a predicted class, a camera, a customer. Integers or texts.
    min_per_group, max_per_group : int or mapping of group to int, optional
        The least and the most picks of each group; a number holds for each.
    cost : array, shape (n,), or ById, optional
        What it costs to label each row, at least 0.
    cost_budget : float, optional
        What all picks may cost together: a row that does not fit is passed over, and there may be
        fewer than `b` picks.
    labeled_embeddings : array, shape (l, d), optional
        With `radius`, rows within it of one of these are never taken.
    radius : float, optional
        Euclidean distance above 0 (between unit rows, with ``metric="cosine"``). Picks block one
        another, too: a row within it of an earlier pick is passed over, and its cluster offers its
        next best.
    max_score : float, optional
        Rows scoring above are never taken (suspected outliers or mislabeled rows).
    tie_break : "index" or "random"
        The order of rows with equal scores: the lower index first, or at random, by `seed`.
    centroids : array, shape (k, d), optional
        Use these, from an earlier round say, instead of training.
    train_size : "auto", None or int
        Rows k-means trains on: ``min(eligible, 256 k)``, all eligible, or this many.
    max_iter, tol : int, float
        The last iterations of k-means stop once inertia falls by less than `tol` of itself, or
        after `max_iter`.
    metric : "euclidean" or "cosine"
        Cosine: rows and centroids are scaled to unit length; the pool is not copied.
    engine : "auto", "native", "faiss" or "sklearn"
        Who trains and assigns; "auto" is the native engine. Everything after is the same code.
    device : "auto", "cpu", "cuda", "cuda:N", or several CUDA devices
        Where to compute. "auto": where the embeddings are. Rows in host memory stream to the
        devices named, ``"cuda:0,cuda:1"`` say, of which each takes a part of the pool.
    seed : int
        Of the training sample, the start of k-means, and random ties.
    threads : int, optional
        Threads of the CPU; by default ``ALLY_FAST_THREADS``, or the cores that the process may
        use, or fewer where ``OMP_NUM_THREADS`` or threadpoolctl say so.
    chunk_rows : int, optional
        Rows read at once; by default about 64 MiB of them. Does not change the answer.
    progress : bool
        Show progress on standard error: a bar, or where there is no terminal a line now and then.
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
    float32, one chunk, O(k d + b); 1 byte a row where rows are ineligible, 2 with
    `labeled_embeddings`; 4 bytes a row with `radius`, "proportional" or "sqrt"; with `radius` also
    the rows on offer, a few times `b`, more where many are passed over. Time: about
    ``(training iterations * 256 k + n) k d`` multiply-adds at most, most of them in low precision.

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
    values = {name: value for name, value in locals().items() if name != "return_info"}
    arguments = Arguments(**values)
    with _settings.using_threads(checked_threads(threads)):
        indices, info = _selected(arguments, return_info)
    return (indices, info) if return_info else indices


def _selected(arguments: Arguments, return_info: bool) -> tuple[Any, SelectionInfo | None]:
    clock = Clock()
    request = check(arguments)
    clock.lap("check")
    plan = make_plan(request)
    clock.lap("radius")
    with stages(*stage_labels(plan)):
        trained = trained_centroids(plan)
        clock.skip(trained.seconds)
        with Progress(request.progress, request.pool.n, "assign") as bar:
            whole = scan(local_task(plan, trained), whole_pool(plan), advance=bar.advance)
    clock.lap("assign")
    if not return_info:
        return to_family(finish(plan, whole).indices, request.pool.family), None
    return concluded(plan, trained, whole, clock)


def stage_labels(plan: Plan) -> tuple[str, ...]:
    """Return what progress calls the stages that are left."""
    return (*(() if plan.training is None else ("sample", "k-means")), "assign")


def concluded(
    plan: Plan, trained: KMeansResult, whole: Part, clock: Clock | None = None
) -> tuple[Any, SelectionInfo]:
    """Return the batch of a pool that was assigned, and what is told of it: the last stages.

    Parameters
    ----------
    plan : Plan
    trained : KMeansResult
    whole : Part
        All parts, merged.
    clock : Clock, optional
        Started with the selection.

    Returns
    -------
    indices, info
        As `select` returns them with ``return_info=True``.

    Raises
    ------
    ValueError
        If fewer than ``b`` rows can be picked under the rule.
    """
    clock = clock or Clock()
    batch = finish(plan, whole)
    distances = centroid_distances(plan, trained, whole, batch)
    clock.lap("batch")
    indices = to_family(batch.indices, plan.request.pool.family)
    return indices, describe(plan, trained, whole, batch, distances, clock.total())


def arguments_of(
    embeddings: Any, dual_scores: Any, b: Any, k: Any, options: Mapping[str, Any]
) -> Arguments:
    """Return arguments of `select`, of which `options` gives those by keyword, or some of them.

    Raises
    ------
    TypeError
        If `select` has no argument of that name.
    """
    parameters = inspect.signature(select).parameters.values()
    values = {
        parameter.name: parameter.default
        for parameter in parameters
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and parameter.name != "return_info"
    }
    unknown = sorted(set(options) - set(values))
    if unknown:
        raise TypeError(f"select has no argument {unknown[0]!r}")
    positional = {"embeddings": embeddings, "dual_scores": dual_scores, "b": b, "k": k}
    return Arguments(**{**values, **options, **positional})
