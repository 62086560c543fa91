"""`select` on a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import _settings
from ally_fast._optional import require
from ally_fast.cluster.arguments import checked_threads
from ally_fast.cluster.choose_engine import choose_engine
from ally_fast.distributed.ray_pool import RayPool
from ally_fast.distributed.tasks import Tasks
from ally_fast.jobs.job_folder import JobFolder
from ally_fast.jobs.job_select import run_job
from ally_fast.pools import ShardedPool, open_pool
from ally_fast.progress import Progress
from ally_fast.selection.arguments import Arguments
from ally_fast.selection.clock import Clock
from ally_fast.selection.info import SelectionInfo
from ally_fast.selection.part import Part, merge
from ally_fast.selection.plan import Plan, make_plan
from ally_fast.selection.portion import Portion, Span, spans
from ally_fast.selection.request import check
from ally_fast.selection.rule import Rule
from ally_fast.selection.select import arguments_of, concluded
from ally_fast.selection.train import trained_centroids

_PORTION_BYTES = 1 << 30  # of embeddings for each task
_TASKS_FOR_EACH_CPU = 4  # so that a slow machine holds up the others little


def select(
    pool: Any,
    dual_scores: Any,
    b: int,
    k: int,
    *,
    address: str | None = "auto",
    job: str | os.PathLike[str] | None = None,
    start_from: str | os.PathLike[str] | None = None,
    **options: Any,
) -> tuple[Any, SelectionInfo]:
    """Select a batch as `ally_fast.select` does, with the work done by tasks of a Ray cluster.

    Parameters
    ----------
    pool, dual_scores, b, k, **options
        As for `ally_fast.select`. The pool is of files that all machines reach under the same
        names, or a table.
    address : str or None
        Of the cluster; "auto": the one that this machine belongs to. "local" starts one on this
        machine. Ignored where Ray has been started.
    job, start_from : path, optional
        The folder of a job, which goes on where it was stopped, and that of an earlier one; see
        `ally_fast.jobs.select`. Only this process uses them.

    Returns
    -------
    indices, info
        As `ally_fast.select` returns them with ``return_info=True``: the same bit for bit,
        whatever the machines, their number, and the order in which they finish.

    Raises
    ------
    ValueError, TypeError, OSError
        As `ally_fast.select` does, also from within tasks.
    RuntimeError
        If there is no cluster, or a worker process dies again and again at the same task.

    Notes
    -----
    This process reads ids and scores, draws the training sample through tasks (256 rows a cluster),
    trains on it, and merges shortlists of O(b + k) rows. Where the rule needs the clusters of all
    rows (`radius`, groups, costs, allocation by size), they come here: 4 bytes a row. Tasks whose
    process dies, or that cannot read, run again, elsewhere.
    """
    pool = pool if isinstance(pool, ShardedPool) else open_pool(pool)
    if not isinstance(pool, ShardedPool):
        raise ValueError("pool: needs files or a table; use ally_fast.select for arrays")
    arguments = arguments_of(pool, dual_scores, b, k, options)
    tasks = Tasks(address)
    try:
        arguments = replace(arguments, embeddings=RayPool(pool, tasks))
        with _settings.using_threads(checked_threads(arguments.threads)):
            if job is None:
                return _selected(arguments, tasks)
            folder = JobFolder(os.fspath(job))
            earlier = None if start_from is None else JobFolder(os.fspath(start_from))
            with folder.locked():
                return run_job(folder, earlier, arguments, pool, partial(_assign, tasks))
    finally:
        tasks.close()


def _selected(arguments: Arguments, tasks: Tasks) -> tuple[Any, SelectionInfo]:
    clock = Clock()
    request = check(arguments)
    clock.lap("check")
    plan = make_plan(request)
    clock.lap("radius")
    trained = trained_centroids(plan)
    clock.skip(trained.seconds)
    whole = Part(np.zeros(request.rule.k, np.int64))
    if request.rule.b:
        ranges = _ranges(request.pool, tasks)
        for _, part in _parts(plan, tasks, trained.centroids, ranges, request.rule):
            whole = merge(request.rule, whole, part)
    clock.lap("assign")
    return concluded(plan, trained, whole, clock)


def _assign(
    tasks: Tasks, plan: Plan, centroids: NDArray[Any], ranges: Sequence[tuple[int, int]]
) -> Iterator[tuple[tuple[int, int], NDArray[np.int32]]]:
    """Return the clusters of some ranges of rows, as tasks find them."""
    rule = replace(plan.request.rule, limited=True)  # so that clusters come, no shortlists
    for rows, part in _parts(plan, tasks, centroids, ranges, rule):
        ((_, clusters),) = part.assigned
        yield rows, clusters


def _parts(
    plan: Plan,
    tasks: Tasks,
    centroids: NDArray[Any],
    ranges: Sequence[tuple[int, int]],
    rule: Rule,
) -> Iterator[tuple[tuple[int, int], Part]]:
    """Scan ranges of rows by tasks."""
    request = plan.request
    assert isinstance(request.pool, RayPool)
    gpus = 1 if tasks.gpus and request.engine.name == "native" else 0
    at_once = 2 * (tasks.gpus or tasks.cpus)
    sent = (request.pool.sent, rule, request.engine.name, tasks.put(centroids))
    calls = ((*sent, rows, *spans(plan, rows), request.chunk_rows) for rows in ranges)
    with Progress(request.progress, request.pool.n, "assign") as bar:
        for rows, part in tasks.map(_scan, calls, gpus=gpus, at_once=at_once):
            bar.advance(rows[1] - rows[0])
            yield rows, part


def _ranges(pool: Any, tasks: Tasks) -> list[tuple[int, int]]:
    """Cut the pool where it is cheap to begin, into enough parts for all machines."""
    row_bytes = max(1, pool.d * pool.itemsize)
    share = pool.n // (_TASKS_FOR_EACH_CPU * tasks.cpus)
    least = max(1, min(share, _PORTION_BYTES // row_bytes))
    bounds = [0]
    for _, end in pool.units(0, pool.n):
        if end - bounds[-1] >= least:
            bounds.append(end)
    if bounds[-1] != pool.n:
        bounds.append(pool.n)
    return list(pairwise(bounds))


def _scan(
    pool: ShardedPool,
    rule: Rule,
    engine: str,
    centroids: NDArray[Any],
    rows: tuple[int, int],
    scores: Span | None,
    eligible: Span | None,
    chunk_rows: int,
) -> tuple[tuple[int, int], Part]:
    """Scan some rows, on the GPU that the task has, if it has one."""
    from ally_fast.selection.scan import scan

    devices = ("cuda:0",) if _has_gpu() else ("cpu",)
    portion = Portion(
        pool, rule, choose_engine(engine, devices), scores, eligible, rows, chunk_rows, False
    )
    part = scan(portion, centroids)
    pool.check()
    return rows, part


def _has_gpu() -> bool:
    return bool(require("ray", "ray").get_gpu_ids())
