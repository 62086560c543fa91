"""End to end: k-means, assignment and batch, ours and every rival, with stages and quality."""

from __future__ import annotations

import importlib
from typing import Any

from benchmarks import datasets, plan
from benchmarks.clock import timed
from benchmarks.job import Job
from benchmarks.plan import Contestant, Shape
from benchmarks.quality import inertia

WARM_ROWS, WARM_CLUSTERS = 4096, 8


def jobs(isas: list[str], args: Any) -> list[Job]:
    """List the jobs, shape by shape.

    Parameters
    ----------
    isas : list of str
        What the native core can run here, best first.
    args : argparse.Namespace
        ``quick``, ``limit``, ``skip_slow_rivals``.
    """
    found = []
    for shape in plan.shapes(args.quick):
        for contestant in plan.contestants(isas, shape):
            reason = plan.skip_reason(contestant, shape, args.limit, args.skip_slow_rivals)
            slow = contestant.estimate(shape) > 20.0
            found.append(job_of("select", contestant, shape, reason, slow=slow))
    return found


def job_of(
    bench: str, contestant: Contestant, shape: Shape, reason: str | None, *, slow: bool
) -> Job:
    """Return a job that `measure` does; with a reason it is skipped."""
    options = contestant.options_for(shape)
    return Job.of(
        bench,
        shape,
        [(contestant.engine, contestant.setting)],
        spec={"contestant": contestant.module, "options": options},
        reasons=reason or "",
        row={"options": options},
        module="benchmarks.bench_select",
        isa=contestant.isa,
        slow=slow,
        estimate=contestant.estimate(shape),
    )


def measure(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
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
    told = ("stages", "isa", "n_iter", "train_rows", "extra")
    fields |= {name: getattr(outcome, name) for name in told}
    fields["picks"] = len({int(index) for index in outcome.indices})
    if spec["quality"]:
        assignments = outcome.assignments
        if assignments is None:
            assignments = contestant.assign(pool.rows, outcome.centroids)
        fields["inertia"] = inertia(pool.rows, outcome.centroids, assignments, threads)
    return {spec["names"][0]: fields}
