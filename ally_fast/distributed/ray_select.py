"""`select` on a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from ally_fast import _settings, progress, stages
from ally_fast._optional import require
from ally_fast.cluster.arguments import checked_threads
from ally_fast.cluster.result import KMeansResult
from ally_fast.distributed.tasks import Tasks
from ally_fast.jobs.job_folder import JobFolder
from ally_fast.jobs.job_select import run_job
from ally_fast.pools import ShardedPool, open_pool
from ally_fast.pools.remote_pool import RemotePool
from ally_fast.selection.arguments import Arguments
from ally_fast.selection.clock import Clock
from ally_fast.selection.info import SelectionInfo
from ally_fast.selection.part import Part
from ally_fast.selection.plan import Plan, planned
from ally_fast.selection.portion import portion
from ally_fast.selection.scores import Scores
from ally_fast.selection.select import arguments_of, stage_labels

Range = tuple[int, int]
Advance = Callable[[int], None]

_TASKS_FOR_EACH_CPU = 4  # so that a slow machine holds up the others little
_SCORE_BYTES = 4 << 30  # that lie in the store of this machine at once, for tasks under way
_MOST_READERS = 64  # threads here, each of which waits for a task


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
        machine. Ignored where Ray has been started. Tasks use its GPUs, unless ``device="cpu"``.
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
    and trains on it. Tasks merge shortlists of O(b + k) rows, of which one comes here. Where the
    rule needs the clusters of all rows (`radius`, groups, costs, allocation by size), they come
    here: 4 bytes a row, 12 if a function gives the scores. A function is sent once, and unpacked
    once by each worker. Tasks whose process dies, or that cannot read, run again, elsewhere.
    """
    pool = pool if isinstance(pool, ShardedPool) else open_pool(pool)
    if not isinstance(pool, ShardedPool):
        raise ValueError("pool: needs files or a table; use ally_fast.select for arrays")
    arguments = arguments_of(pool, dual_scores, b, k, options)
    tasks = Tasks(address, use_gpus=arguments.device != "cpu")
    try:
        if callable(dual_scores):
            tasks.check(dual_scores, "dual_scores")
        arguments = replace(arguments, embeddings=_read_by(tasks, pool))
        with _settings.using_threads(checked_threads(arguments.threads)):
            if job is None:
                return _selected(arguments, tasks)
            folder = JobFolder(os.fspath(job))
            earlier = None if start_from is None else JobFolder(os.fspath(start_from))
            with folder.locked():
                scan, parts = partial(_scan_ranges, tasks), _TASKS_FOR_EACH_CPU * tasks.cpus
                return run_job(folder, earlier, arguments, pool, scan, parts=parts)
    finally:
        tasks.close()


@contextmanager
def pool_read_by_tasks(pool: ShardedPool, address: str | None = "auto") -> Iterator[RemotePool]:
    """Yield a pool of which this process reads no row: a report of it say; see `select`."""
    tasks = Tasks(address)
    try:
        yield _read_by(tasks, pool)
    finally:
        tasks.close()


def _read_by(tasks: Tasks, pool: ShardedPool) -> RemotePool:
    readers = min(_MOST_READERS, tasks.cpus)
    return RemotePool(pool, tasks.run, readers, tasks.put, tasks.cancel_runs)


def _selected(arguments: Arguments, tasks: Tasks) -> tuple[Any, SelectionInfo]:
    clock = Clock()
    plan = planned(arguments)
    clock.lap("check")
    pool, rule = plan.request.pool, plan.request.rule
    with progress.stages(*stage_labels(plan)):
        trained = stages.train(plan)
        clock.skip(trained.seconds)
        ranges = stages.ranges(pool, _parts(tasks, plan)) if rule.b else []
        with progress.Progress(plan.request.progress, pool.n, "assign") as bar:
            if not ranges or rule.needs_assignments:
                results = _scan_ranges(tasks, plan, trained, ranges, bar.advance)
                whole = stages.merge(rule, *(part for _, part in results))
            else:
                whole = _shortlisted(tasks, plan, trained, ranges, bar.advance)
    clock.lap("assign")
    return stages.conclude(plan, trained, whole, clock)


def _parts(tasks: Tasks, plan: Plan) -> int:
    """Return into how many portions to cut the pool, at least."""
    request, at_once = plan.request, _share(tasks, plan)["at_once"]
    sends_scores = isinstance(request.scores, Scores) and not request.rule.needs_assignments
    for_scores = 8 * request.pool.n * at_once // _SCORE_BYTES if sends_scores else 0
    return max(_TASKS_FOR_EACH_CPU * tasks.cpus, for_scores)


def _scan_ranges(
    tasks: Tasks, plan: Plan, trained: KMeansResult, ranges: Sequence[Range], advance: Advance
) -> Iterator[tuple[Range, Part]]:
    """Yield ranges of rows with the clusters of all their rows, as tasks find them."""
    task = tasks.put(stages.task(plan, trained, assignments=True))
    calls = ((task, portion(plan, rows, scored=False)) for rows in ranges)
    for part, rows in tasks.map(_scan, calls, **_share(tasks, plan)):
        advance(rows[1] - rows[0])
        yield rows, part


def _shortlisted(
    tasks: Tasks, plan: Plan, trained: KMeansResult, ranges: Sequence[Range], advance: Advance
) -> Part:
    """Return the shortlist of some ranges of rows, merged by tasks."""
    task = tasks.put(stages.task(plan, trained))
    calls = ((task, portion(plan, rows)) for rows in ranges)
    whole: Part = tasks.merged(
        _scan,
        calls,
        partial(stages.merge, plan.request.rule),
        done=lambda rows: advance(rows[1] - rows[0]),
        **_share(tasks, plan),
    )
    return whole


def _share(tasks: Tasks, plan: Plan) -> dict[str, int]:
    """Return what a task takes of the cluster, and how many are to be under way."""
    gpus = tasks.gpus if plan.request.engine.name == "native" else 0
    return {"gpus": min(1, gpus), "at_once": 2 * (gpus or tasks.cpus)}


def _scan(task: stages.Task, portion: stages.Portion) -> tuple[Part, Range]:
    """Scan a portion, on the GPU that the task has, if it has one."""
    has_gpu = bool(require("ray", "ray").get_gpu_ids())
    return stages.scan(task, portion, device="cuda:0" if has_gpu else "cpu"), portion.rows
