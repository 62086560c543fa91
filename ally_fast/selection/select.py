"""`select`: choose a batch of pool rows that is diverse by cluster and best by score."""

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
    """Select exactly `b` distinct pool rows to label: high scores, spread over `k` clusters.

    k-means groups the rows into `k` clusters. Each cluster offers its rows by descending score,
    and the clusters take turns until there are `b` picks. By default every cluster gives its best
    row before any cluster gives its second. A row is eligible unless it is excluded, scores above
    `max_score`, or lies within `radius` of a labeled row.

    Without `radius`, groups and costs, this is equivalent to the code below. ``index`` holds the
    eligible rows, ``score`` their scores, and ``c`` the nearest centroid of each. ``rank`` is the
    0-based place of a row in its cluster, by score descending, then index ascending. ``w`` holds
    the weights of the clusters::

        order = np.lexsort((index, -score, (rank + 0.5) / w[c]))
        indices = index[order][:b]

    Parameters
    ----------
    embeddings : array, shape (n, d), pool, path or table
        One vector for each row of the pool: float16, bfloat16, float32, float64 or integers, with
        any strides. Arrays may be NumPy, ``np.memmap``, Arrow, pandas or Polars, or anything with
        ``__dlpack__``, on the CPU or a GPU. Whatever `open_pool` takes or returns works as well.
        Rows that are not eligible may hold any values.
    dual_scores : array, shape (n,), ById, callable or None
        One score for each row; higher is more informative. It may be a predicted dual variable, or
        any other measure of how much a label would help. Scores must be finite; integers go up to
        2**53. Excluded rows may have any score, or none. `ById` matches scores to rows by id. A
        callable, such as a `DualHead`, computes scores from the rows as they are read (see
        ``docs/selection.md``). None: use the scores that belong to the pool.
    b : int
        Number of rows to select (the budget), from 0 to the number of eligible rows.
    k : int
        Number of clusters, ``1 <= k <= n``. Training needs at least `k` eligible rows.
    allocation : "equal", "proportional", "sqrt" or array, shape (k,)
        Weights by which clusters share the budget: 1 for each, its number of eligible rows, the
        square root of that number, or the weights that you give (finite, above 0). A cluster
        with twice the weight gives about twice as many picks.
    exclude : array or set, optional
        Rows that are never selected: a bool mask, shape (n,), or integer indices. A mask of
        integers is refused, because it could be read as indices.
    ids : array, shape (n,), optional
        Your names for the rows: distinct integers or texts. By default, the ids of the pool.
    exclude_ids : array or set, optional
        Ids of rows that are never selected; they may repeat.
    unknown_ids : "error" or "ignore"
        What to do with ids, in `exclude_ids` or in a `ById`, that no row of the pool has.
    groups : array, shape (n,), or ById, optional
        Group of each row, such as a predicted class, a camera or a customer: integers or texts.
    min_per_group, max_per_group : int or mapping of group to int, optional
        Fewest and most picks from each group. An int holds for every group; a mapping limits
        only the groups that it names.
    cost : array, shape (n,), or ById, optional
        Cost of labeling each row, at least 0. Needs `cost_budget`.
    cost_budget : float, optional
        Most that all picks may cost together. A row that costs more than what is left is passed
        over, so there may be fewer than `b` picks.
    labeled_embeddings : array, shape (l, d), optional
        Embeddings of rows that have labels already. Rows within `radius` of one of them are never
        selected. Needs `radius`.
    radius : float, optional
        Euclidean distance, above 0, that keeps picks apart. A row within it of an earlier pick is
        passed over, and its cluster offers its next best row. With ``metric="cosine"`` it is the
        distance between rows of unit length.
    max_score : float, optional
        Rows that score higher are never selected: they may be outliers, or mislabeled.
    tie_break : "index" or "random"
        Order of rows with equal scores: the lower index first, or a random order set by `seed`.
    centroids : array, shape (k, d), optional
        Centroids to use instead of training k-means, such as those of an earlier round.
    train_size : "auto", None or int
        Number of rows to train k-means on. "auto": ``min(eligible, 256 k)``. None: all eligible
        rows.
    max_iter, tol : int, float
        When k-means stops iterating over all training rows: once an iteration lowers inertia by
        less than the fraction `tol`, or after `max_iter` iterations.
    metric : "euclidean" or "cosine"
        "cosine" scales rows and centroids to unit length, without a copy of the pool.
    engine : "auto", "native", "faiss" or "sklearn"
        Library that trains k-means and assigns rows; "auto" is the native engine. All other steps
        run the same code with every engine.
    device : "auto", "cpu", "cuda", "cuda:N", or several CUDA devices
        Where to compute. "auto": where the embeddings are. Rows in host memory stream to the CUDA
        devices that you name; of several, such as ``"cuda:0,cuda:1"``, each takes a part of the
        pool.
    seed : int
        Seed of the training sample, of the start of k-means, and of random ties.
    threads : int, optional
        Number of CPU threads. By default ``ALLY_FAST_THREADS``, or else the cores that the process
        may use, or fewer if ``OMP_NUM_THREADS`` or threadpoolctl limits them.
    chunk_rows : int, optional
        Number of rows to read at once; by default about 64 MiB of them. It does not change the
        answer.
    progress : bool
        Show progress on standard error: a bar on a terminal or in a notebook, elsewhere a line now
        and then.
    return_info : bool
        Also return a `SelectionInfo`, which says why each row was selected.

    Returns
    -------
    indices : array of int64, shape (b,)
        Distinct pool indices, best first, in the array library of `embeddings`. The first ``b'`` of
        them are the answer for a smaller budget ``b'``, as long as they cover `min_per_group`.
    info : SelectionInfo
        Only with ``return_info=True``.

    Raises
    ------
    ValueError
        If an argument cannot be used; the message names it, what came and what is needed. Also if
        eligible rows have NaN or infinite scores or embeddings; the message says how many, and
        which is the first. Also if fewer than `b` rows can be selected.
    TypeError
        If an array does not hold real numbers, or an argument has the wrong type.
    ImportError
        If the package of an engine is missing; the message names the extra that installs it.
    RuntimeError
        If you ask for a device or an instruction set that this machine or this build cannot use.

    Warns
    -----
    PrecisionWarning
        If rounding to float32 hides more than 3 % of the distance between rows and centroids.

    See Also
    --------
    open_pool : Open files, folders or tables as a pool, with ids and scores.
    kmeans : Train centroids that `centroids` takes.
    SelectionInfo : What `return_info` adds.
    ally_fast.strategies : Other rules, such as margin sampling in clusters.
    ally_fast.stages : The same selection on many machines.

    Notes
    -----
    Source: Elenter, NaderiAlizadeh, Ribeiro, "A Lagrangian duality approach to active learning"
    (ALLY), NeurIPS 2022: Algorithm 2 and section 4.1; Appendix D.2 for the radius; section 5.4 for
    the score cap. If `k` divides `b`, weights are equal, and every cluster has at least ``b / k``
    rows, the batch is that of Algorithm 2.

    Reproducibility: with the native engine the answer is the same, bit for bit, on any instruction
    set, on the CPU or on GPUs, with any number of threads and any chunk size.

    Memory beside the pool: the training rows in float32, one chunk, and O(k d + b). Each pool row
    adds 1 byte if some rows are ineligible, or 2 with `labeled_embeddings`. It adds 4 bytes with
    `radius`, "proportional", "sqrt", groups or costs. With `radius` the rows on offer are held as
    well: a few times `b`, or more if many rows are passed over.

    Time: at most about ``(training iterations * 256 k + n) k d`` multiply-adds, most of them in
    low precision.

    Examples
    --------
    >>> import numpy as np, ally_fast
    >>> rng = np.random.default_rng(0)
    >>> embeddings = rng.standard_normal((1000, 16), dtype=np.float32)
    >>> scores = rng.random(1000)
    >>> batch = ally_fast.select(embeddings, scores, b=20, k=10)
    >>> batch.shape, len(set(batch.tolist()))
    ((20,), 20)

    The next round leaves out the rows of this one. `SelectionInfo` says what was selected:

    >>> more, info = ally_fast.select(
    ...     embeddings, scores, b=20, k=10, exclude=batch, return_info=True
    ... )
    >>> len(np.intersect1d(batch, more)), info.cluster_counts.tolist()
    (0, [2, 2, 2, 2, 2, 2, 2, 2, 2, 2])
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
    """Return the names that progress shows for the remaining stages."""
    return (*(() if plan.training is None else ("sample", "k-means")), "assign")


def concluded(
    plan: Plan, trained: KMeansResult, whole: Part, clock: Clock | None = None
) -> tuple[Any, SelectionInfo]:
    """Make the batch of a pool whose rows were all assigned, and describe it: the last stages.

    Parameters
    ----------
    plan : Plan
    trained : KMeansResult
    whole : Part
        All parts, merged.
    clock : Clock, optional
        A clock that was started when the selection began.

    Returns
    -------
    indices, info
        As `select` returns them with ``return_info=True``.

    Raises
    ------
    ValueError
        If the rule allows fewer than ``b`` picks.
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
    """Return the arguments of `select`; `options` gives some or all of the keyword ones.

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
