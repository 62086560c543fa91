"""End to end: k-means, assignment and batch, ours and every rival, with stages and quality."""

from __future__ import annotations

import importlib
from typing import Any

from benchmarks import datasets, plan
from benchmarks.clock import timed
from benchmarks.job import Job
from benchmarks.plan import Contestant, Shape
from benchmarks.quality import inertia
from benchmarks.rows import Row

WARM_ROWS, WARM_CLUSTERS = 4096, 8


def jobs(isas: list[str], threads: int, args: Any) -> list[Job]:
    """List the jobs, shape by shape.

    Parameters
    ----------
    isas : list of str
        What the native core can run here, best first.
    threads : int
        Threads for everyone.
    args : argparse.Namespace
        ``quick``, ``limit``, ``skip_slow_rivals``.
    """
    return [
        _job(contestant, shape, threads, args)
        for shape in plan.shapes(args.quick)
        for contestant in plan.contestants(isas, shape)
    ]


def _job(contestant: Contestant, shape: Shape, threads: int, args: Any) -> Job:
    reason = plan.skip_reason(contestant, shape, args.limit, args.skip_slow_rivals)
    slow = contestant.estimate(shape) > 20.0
    return job_of("select", contestant, shape, threads, reason, slow=slow)


def job_of(
    bench: str,
    contestant: Contestant,
    shape: Shape,
    threads: int,
    reason: str | None,
    *,
    slow: bool,
) -> Job:
    """Return a job that `measure` does; with a reason it is skipped."""
    options = contestant.options_for(shape)
    row = Row(
        bench,
        contestant.engine,
        contestant.setting,
        shape.dataset,
        shape.n,
        shape.d,
        shape.k,
        shape.b,
        "float32",
        options=options,
        threads=threads,
        status="skipped" if reason else "ok",
        reason=reason or "",
    )
    spec = {
        "engine": contestant.engine,
        "setting": contestant.setting,
        "contestant": contestant.module,
        "dataset": shape.dataset,
        "limit": shape.limit,
        "k": shape.k,
        "b": shape.b,
        "threads": threads,
        "options": options,
    }
    return Job(
        "benchmarks.bench_select",
        spec,
        [row],
        isa=contestant.isa,
        slow=slow,
        group=(bench, shape),
        estimate=contestant.estimate(shape),
    )


def measure(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Select once from a pool.

    A run over the pool's first rows comes before, so that thread pools and lazy imports are not
    on anyone's clock.
    """
    pool = datasets.load(spec["dataset"], spec["limit"])
    contestant = importlib.import_module(spec["contestant"])
    threads, options = spec["threads"], spec["options"]
    warm = {key: v for key, v in options.items() if key != "train_size"}
    rows, scores = pool.rows[:WARM_ROWS].copy(), pool.scores[:WARM_ROWS].copy()
    contestant.run(rows, scores, 2 * WARM_CLUSTERS, WARM_CLUSTERS, threads=threads, **warm)

    b, k = spec["b"], spec["k"]
    outcome, fields = timed(
        lambda: contestant.run(pool.rows, pool.scores, b, k, threads=threads, **options)
    )
    result = {
        "engine": spec["engine"],
        "setting": spec["setting"],
        **fields,
        "stages": outcome.stages,
        "picks": len({int(index) for index in outcome.indices}),
        "isa": outcome.isa,
        "n_iter": outcome.n_iter,
        "train_rows": outcome.train_rows,
        "extra": outcome.extra,
    }
    if spec["quality"]:
        assignments = outcome.assignments
        if len(assignments) == 0:
            assignments = contestant.assign(pool.rows, outcome.centroids)
        result["inertia"] = inertia(pool.rows, outcome.centroids, assignments, threads)
    return [result]
