"""The scikit-learn path on the host of the GPU machine, for scale."""

from __future__ import annotations

import importlib
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks import quality
from benchmarks.clock import timed
from benchmarks.gpu.recorder import Recorder, tell
from benchmarks.machine import cores

ENGINES = ("sklearn_minibatch", "sklearn_kmeans")


@dataclass(frozen=True)
class Work:
    """A pool and a request."""

    n: int
    d: int
    k: int
    b: int


def measure(recorder: Recorder, device: Any, work: Work) -> None:
    """Measure scikit-learn once each, on the rows of the GPU benchmark at n and d."""
    shape = {"dataset": "mixture", **asdict(work), "dtype": "float32"}
    plan = [recorder.row("gpu_select", engine, "default host", **shape) for engine in ENGINES]
    if not any(recorder.wanted(row) for row in plan):
        return
    on_device = device.mixture(work.n, work.d, 1, "float32")
    rows, scores = device.to_host(on_device), device.to_host(device.scores(on_device))
    for row in plan:
        if not recorder.wanted(row):
            continue
        with recorder.attempt(row):
            engine = importlib.import_module(f"benchmarks.peers.{row.engine}")
            found, fields = timed(
                lambda engine=engine: engine.run(rows, scores, work.b, work.k, threads=cores())
            )
            row.seconds, row.other_cores = fields["seconds"], [None]
            row.stages, row.picks = found.stages, len(set(found.indices.tolist()))
            row.n_iter, row.train_rows = found.n_iter, found.train_rows
            row.inertia = quality.inertia(rows, found.centroids, found.assignments, cores())
            recorder.keep(row)
            tell(row)
