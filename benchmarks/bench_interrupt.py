"""Seconds from Ctrl-C to the end of the process, for ``ally-fast select`` at many clusters."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import datasets
from benchmarks.job import Job
from benchmarks.plan import Shape
from benchmarks.rows import Row

# Seconds after the start of the process: training, of which each run takes more.
MOMENTS, QUICK_MOMENTS = (3.0, 5.0, 8.0, 12.0), (1.0,)
SHAPES = (
    Shape("mixture384", 200_000, 384, 10_000, 10_000),
    Shape("mixture384", 200_000, 384, 20_000, 20_000),
)
QUICK = (Shape("mixture128", 20_000, 128, 4000, 4000, limit=20_000),)


def jobs(isas: list[str], threads: int, args: Any) -> list[Job]:
    """List one job per shape."""
    return [_job(shape, isas, threads) for shape in (QUICK if args.quick else SHAPES)]


def _job(shape: Shape, isas: list[str], threads: int) -> Job:
    size = (shape.dataset, shape.n, shape.d, shape.k, shape.b)
    row = Row("interrupt", "ally_fast", "select", *size, "float32", threads=threads)
    if isas:
        row.isa = isas[0]
    else:
        row.status, row.reason = "skipped", "the native core is not built"
    moments = MOMENTS if shape.limit is None else QUICK_MOMENTS
    spec = {
        "moments": moments,
        "dataset": shape.dataset,
        "limit": shape.limit,
        "k": shape.k,
        "b": shape.b,
        "threads": threads,
    }
    estimate = sum(moments)
    group = ("interrupt", shape)
    return Job("benchmarks.bench_interrupt", spec, [row], group=group, estimate=estimate)


def measure(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Interrupt a selection at each of some moments; the longest wait counts.

    A run that ends by itself before a moment says nothing about it.
    """
    pool = datasets.load(spec["dataset"], spec["limit"])
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, "pool.npy"), pool.rows)
        np.save(Path(folder, "scores.npy"), pool.scores)
        waits = {moment: _wait(Path(folder), spec, moment) for moment in spec["moments"]}
    told = {str(moment): wait for moment, wait in waits.items() if wait is not None}
    if not told:
        raise RuntimeError("every run ended before it was interrupted")
    return [
        {
            "engine": "ally_fast",
            "setting": "select",
            "seconds": [max(told.values())],
            "other_cores": [None],
            "peak_bytes": 0,
            "extra_bytes": 0,
            "peak_exact": False,
            "extra": {"by_moment": told},
        }
    ]


def _wait(folder: Path, spec: dict[str, Any], moment: float) -> float | None:
    """Return the seconds from the signal to the end, None if the process ended before it."""
    words = ["--embeddings", "pool.npy", "--scores", "scores.npy", "-o", "batch.npy", "--quiet"]
    words += [
        "-k",
        str(spec["k"]),
        "-b",
        str(spec["b"]),
        "--threads",
        str(spec["threads"]),
        "--force",
    ]
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-m", "ally_fast", "select", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.PIPE,
    )
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        pass
    else:
        return None
    began = time.perf_counter()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    waited = time.perf_counter() - began
    if process.returncode != 130:
        raise RuntimeError(f"exit code {process.returncode}: {errors.decode()}")
    return waited
