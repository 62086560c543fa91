"""Selections by tasks of Ray beside one process, and what goes through the cluster's store."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.clock import timed
from benchmarks.job import Job
from benchmarks.plan import Shape

FOLDER = machine.ROOT / "build" / "benchmark-ray"
SIZES = (1_000_000, 50_000_000)
QUICK_ROWS = 200_000
D, K, B, SHARDS = 32, 1000, 10_000, 32
WORKERS = (1, 2, 4)
WAYS = {
    "process1": "one process, one thread",
    "process": "one process, all cores",
    **{f"ray{workers}": f"Ray, {workers} worker processes" for workers in WORKERS},
    "radius": "Ray, as many workers as cores, with a radius",
    "function": "Ray, as many workers as cores, scores by a function",
}


def jobs(isas: list[str], args: Any) -> list[Job]:
    """List the jobs."""
    sizes = (QUICK_ROWS,) if args.quick else SIZES
    return [
        Job.of(
            "ray",
            Shape("mixture", n, D, K, B),
            [("ally_fast", way)],
            spec={"way": way},
            row={"dtype": "float16"},
            slow=False,
            estimate=n / 2e6,
        )
        for n in sizes
        for way in WAYS
    ]


def measure(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Measure one way; workers run before the clock, and have imported what they need."""
    way, n = spec["way"], spec["n"]
    folder = _files(n)
    import ally_fast

    scores = np.load(folder / "scores.npy")
    rows = ally_fast.open_pool(folder / "rows")
    options: dict[str, Any] = {"radius": 4.0} if way == "radius" else {}
    cores = spec["threads"]
    if way.startswith("process"):
        options["threads"] = 1 if way == "process1" else cores
        work = partial(ally_fast.select, rows, scores, B, K, return_info=True, **options)
        extra: dict[str, Any] = {}
    else:
        given = _second if way == "function" else scores
        workers = int(way[3:]) if way.startswith("ray") else cores
        work, extra = _on_cluster(workers, rows, given, options)
    (batch, info), fields = timed(work, alone=False)
    extra["checksum"] = int(batch.astype(np.uint64).sum())
    (name,) = spec["names"]
    return {name: {**fields, "stages": info.seconds, "picks": len(batch), "extra": extra}}


def _second(rows: Any) -> Any:
    return rows[:, 1]


def _on_cluster(
    workers: int, pool: Any, scores: Any, options: dict[str, Any]
) -> tuple[Callable[[], Any], dict[str, Any]]:
    """Start a cluster, run once for the bytes that travel, and return what is to be timed."""
    import ray

    from ally_fast import distributed

    path = {"env_vars": {"PYTHONPATH": os.pathsep.join([str(machine.ROOT)])}}
    ray.init(
        num_cpus=workers,
        include_dashboard=False,
        logging_level="ERROR",
        log_to_driver=False,
        runtime_env=path,
    )
    work = partial(distributed.select, pool, scores, B, K, **options)
    return work, _bytes_sent(work)


def _bytes_sent(work: Callable[[], Any]) -> dict[str, Any]:
    """Run once, and return the pickled bytes: put once, sent to tasks, returned by them.

    What a task returns is written down where it is made.
    """
    from ray import cloudpickle

    from ally_fast.distributed import tasks

    counts = {"bytes_put": 0, "bytes_to_tasks": 0, "tasks": 0}
    put, remote = tasks.Tasks.put, tasks.Tasks._remote
    folder = tempfile.mkdtemp()

    def counted_put(self: Any, value: Any) -> Any:
        counts["bytes_put"] += len(cloudpickle.dumps(value))
        return put(self, value)

    def counted_remote(self: Any, function: Any, *how: Any) -> Any:
        def sized(*arguments: Any) -> Any:
            """Call the function in a worker, and write down how large its answer is."""
            found = function(*arguments)
            (Path(folder) / uuid.uuid4().hex).write_text(str(len(cloudpickle.dumps(found))))
            return found

        inner = remote(self, sized, *how)

        class Counting:
            def remote(self, *arguments: Any) -> Any:
                counts["tasks"] += 1
                plain = [value for value in arguments if not isinstance(value, tasks.Sent)]
                if not any(type(value).__name__ == "ObjectRef" for value in plain):
                    counts["bytes_to_tasks"] += len(cloudpickle.dumps(plain))
                return inner.remote(*arguments)

        return Counting()

    tasks.Tasks.put, tasks.Tasks._remote = counted_put, counted_remote  # type: ignore[method-assign]
    try:
        work()
    finally:
        tasks.Tasks.put, tasks.Tasks._remote = put, remote  # type: ignore[method-assign]
        returned = [int(file.read_text()) for file in Path(folder).iterdir()]
        shutil.rmtree(folder)
    return {**counts, "bytes_returned": sum(returned)}


def _files(n: int) -> Path:
    """Make the pool: 32 shards as .npy, and scores."""
    folder = FOLDER / str(n)
    if (folder / "done").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "rows").mkdir(parents=True)
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(1000, D)).astype(np.float32)
    for shard, share in enumerate(np.array_split(np.arange(n), SHARDS)):
        noise = 0.6 * rng.standard_normal((len(share), D), dtype=np.float32)
        rows = centers[rng.integers(1000, size=len(share))] + noise
        np.save(folder / "rows" / f"part-{shard:03}.npy", rows.astype(np.float16))
    np.save(folder / "scores.npy", rng.random(n))
    (folder / "done").touch()
    return folder
