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

# Seconds after the start of the process: training, of which each run takes more.
MOMENTS, QUICK_MOMENTS = (3.0, 5.0, 8.0, 12.0), (1.0,)
SHAPES = (
    Shape("mixture384", 200_000, 384, 10_000, 10_000),
    Shape("mixture384", 200_000, 384, 20_000, 20_000),
)
QUICK = (Shape("mixture128", 20_000, 128, 4000, 4000, limit=20_000),)


def jobs(isas: list[str], args: Any) -> list[Job]:
    """List one job per shape."""
    moments = QUICK_MOMENTS if args.quick else MOMENTS
    how = {"spec": {"moments": moments}, "slow": False, "estimate": sum(moments)}
    ours = [("ally_fast", "select")]
    return [Job.of("interrupt", shape, ours, **how) for shape in (QUICK if args.quick else SHAPES)]


def measure(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
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
    (name,) = spec["names"]
    longest = max(told.values())
    return {name: {"seconds": [longest], "other_cores": [None], "extra": {"by_moment": told}}}


def _wait(folder: Path, spec: dict[str, Any], moment: float) -> float | None:
    """Return the seconds from the signal to the end, None if the process ended before it."""
    words = ["--embeddings", "pool.npy", "--scores", "scores.npy", "-o", "batch.npy", "--quiet"]
    for option in ("k", "b", "threads"):
        words += [f"-{option}" if len(option) == 1 else f"--{option}", str(spec[option])]
    words += ["--force"]
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
