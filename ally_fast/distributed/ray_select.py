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

_TASKS_FOR_EACH_CPU = 4  # so that a slow machine delays the others only a little
_SCORE_BYTES = 4 << 30  # scores of running tasks that this machine's store holds at once
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
        As for `ally_fast.select`. The pool must be files that all machines reach under the same
        names, or a table.
    address : str or None
        Address of the cluster. "auto" is the cluster that this machine belongs to; "local" starts
        one on this machine. Ignored if Ray is already running in this process. Tasks use the
        cluster's GPUs unless ``device="cpu"``.
    job, start_from : path, optional
        The folder of a job, so that you can continue it, and the folder of an earlier job; see
        `ally_fast.jobs.select`. Only this process uses them.

    Returns
    -------
    indices, info
        As `ally_fast.select` returns them with ``return_info=True``. They are the same bit for
        bit, whatever the machines, their number, and the order in which they finish.

    Raises
    ------
    ValueError, TypeError, OSError
        As `ally_fast.select` does, also from within tasks.
    RuntimeError
        If there is no cluster, or a worker process dies repeatedly at the same task.

    Notes
    -----
    This process reads ids and scores, draws the training sample through tasks (256 rows a
    cluster), and trains on it. Tasks merge shortlists of O(b + k) rows, and this process receives
    one shortlist. Some rules need the clusters of all rows: `radius`, groups, costs, allocation by
    size. Then this process receives 4 bytes a row, or 12 if a function gives the scores. A
    function is sent once, and each worker unpacks it once. If a task's process dies, or the task
    cannot read, it runs again elsewhere.
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
    """Yield a pool whose rows Ray tasks read, not this process; for example, for a report.

    Parameters
    ----------
    pool : ShardedPool
        Files that all machines reach under the same names, or a table.
    address : str or None
        As for `select`.

    Yields
    ------
    RemotePool
        The same rows. It works until the block ends.
    """
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
    """Return the least number of portions to cut the pool into."""
    request, at_once = plan.request, _share(tasks, plan)["at_once"]
    sends_scores = isinstance(request.scores, Scores) and not request.rule.needs_assignments
    for_scores = 8 * request.pool.n * at_once // _SCORE_BYTES if sends_scores else 0
    return max(_TASKS_FOR_EACH_CPU * tasks.cpus, for_scores)


def _scan_ranges(
    tasks: Tasks, plan: Plan, trained: KMeansResult, ranges: Sequence[Range], advance: Advance
) -> Iterator[tuple[Range, Part]]:
    """Yield each range of rows with the clusters of its rows, as tasks finish."""
    task = tasks.put(stages.task(plan, trained, assignments=True))
    calls = ((task, portion(plan, rows, scored=False)) for rows in ranges)
    for part, rows in tasks.map(_scan, calls, **_share(tasks, plan)):
        advance(rows[1] - rows[0])
        yield rows, part


def _shortlisted(
    tasks: Tasks, plan: Plan, trained: KMeansResult, ranges: Sequence[Range], advance: Advance
) -> Part:
    """Return the shortlist of some ranges of rows; tasks merge it."""
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
    """Return the GPUs of one task, and how many tasks run at once."""
    gpus = tasks.gpus if plan.request.engine.name == "native" else 0
    return {"gpus": min(1, gpus), "at_once": 2 * (gpus or tasks.cpus)}


def _scan(task: stages.Task, portion: stages.Portion) -> tuple[Part, Range]:
    """Scan a portion, on the task's GPU if it has one."""
    has_gpu = bool(require("ray", "ray").get_gpu_ids())
    return stages.scan(task, portion, device="cuda:0" if has_gpu else "cpu"), portion.rows
