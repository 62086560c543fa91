"""End to end: k-means, assignment and batch, rows on the device or in host memory.

Rivals at their defaults and at our recipe (256 rows a centroid, 10 iterations, then one
assignment), each with the tail of ``tail.py``. Everything until the batch is there is on the
clock, which is the wall's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks import quality
from benchmarks.gpu import rates
from benchmarks.gpu.assign import KERNEL, pool
from benchmarks.gpu.peers import load_peer
from benchmarks.gpu.race import Contestant, race
from benchmarks.gpu.recorder import Recorder
from benchmarks.outcome import Outcome
from benchmarks.plan import RECIPE_ITERATIONS, RECIPE_ROWS
from benchmarks.rows import Row
from benchmarks.tail import best_per_cluster_on_device

SLOW = ("cuvs", "fastkmeans", "faiss_gpu")


@dataclass(frozen=True)
class Work:
    """One pool.

    Parameters
    ----------
    n, d, b : int
        Rows, dimensions, budget.
    ks : sequence of int
        Numbers of clusters, rising: device memory is told by the highest mark so far.
    dtype : str
        Element type of the rows.
    place : str
        "device" or "host".
    kernels : sequence of str
        Values of ``ALLY_FAST_CUDA_KERNEL``.
    peers : sequence of str
        Rivals as "name:setting", settings "default" and "recipe".
    dataset : str
        "mixture" or a real pool.
    repeats : int
    budget : float
        Seconds for the rounds of one k.
    """

    n: int
    d: int
    ks: Sequence[int]
    b: int
    dtype: str
    place: str
    kernels: Sequence[str]
    peers: Sequence[str]
    dataset: str = "mixture"
    repeats: int = 7
    budget: float = 20.0


def measure(recorder: Recorder, device: Any, work: Work) -> None:
    """Measure everyone in turn, k by k."""
    known = rates.ceilings(recorder.stored, recorder.gpu)
    on_device = None
    for k in work.ks:
        plan = _rows(recorder, work, k)
        if not any(recorder.wanted(row) for row in plan):
            continue
        if on_device is None:
            on_device = pool(device, work.dataset, work.n, work.d, work.dtype)
            scores = device.scores(on_device)
            rows = on_device if work.place == "device" else device.to_host(on_device)
        entries = []
        for row in plan:
            maker = _ours if row.engine == "ally_fast" else _peer
            prepare = partial(maker, device, rows, scores, row)
            check = partial(_check, device, on_device, row)
            how = {"repeats": work.repeats, "first_counts": row.engine in SLOW}
            entries.append(Contestant(row, prepare, check, clock="wall", **how))
        finish = partial(_finish, known=known, upload=work.place == "host")
        race(recorder, device, entries, work.budget, finish)


def _rows(recorder: Recorder, work: Work, k: int) -> list[Row]:
    shape = {name: getattr(work, name) for name in ("dataset", "n", "d", "b", "dtype")}
    suffix = "" if work.place == "device" else " host"
    who = [("ally_fast", kernel, kernel) for kernel in work.kernels]
    who += [(*peer.split(":"), None) for peer in work.peers]
    return [
        recorder.row("gpu_select", engine, setting + suffix, isa=isa, k=k, **shape)
        for engine, setting, isa in who
    ]


def _ours(device: Any, rows: Any, scores: Any, row: Row) -> Callable[[], Any]:
    """Make the call of ``ally_fast.select``; scores are where the rows are."""
    import ally_fast

    if isinstance(rows, np.ndarray):
        scores = device.to_host(scores)

    def call(info: bool = False) -> Any:
        os.environ[KERNEL] = row.isa
        return ally_fast.select(rows, scores, row.b, row.k, device="cuda", return_info=info)

    call(info=True)  # the largest first: modules are loaded
    picks, info = call(info=True)
    row.stages = {name: float(v) for name, v in info.seconds.items() if name != "total"}
    row.n_iter, row.train_rows = info.n_iter, info.train_rows
    row.extra["bytes_read"] = int(info.bytes_read)
    row.extra["isa"] = info.isa
    centroids, first = info.centroids, device.to_host(picks)

    def timed() -> Outcome:
        return Outcome(call(), centroids, None, {})

    if not np.array_equal(device.to_host(call()), first):
        raise quality.WrongAnswerError("two runs differ")
    return timed


def _peer(device: Any, rows: Any, scores: Any, row: Row) -> Callable[[], Any]:
    """Make a rival's call: its k-means, its assignment, then the batch in torch."""
    torch, peer = device.torch, load_peer(row.engine, device)
    row.extra["given"] = peer.given
    recipe = row.setting.startswith("recipe")
    given = torch.from_numpy(rows) if isinstance(rows, np.ndarray) else rows
    given = peer.prepare(given)
    size = min(row.n, RECIPE_ROWS * row.k)

    def call() -> Outcome:
        stages, began = {}, time.perf_counter()

        def lap(stage: str) -> None:
            nonlocal began
            torch.cuda.synchronize()
            stages[stage], began = time.perf_counter() - began, time.perf_counter()

        if recipe:
            sample = _sample(torch, given, size)
            lap("sample")
            _, centroids = peer.fit(sample, row.k, RECIPE_ITERATIONS)
            lap("train")
            labels = peer.predict(given, centroids)
        else:
            labels, centroids = peer.fit(given, row.k, None)
            lap("train")
            labels = peer.predict(given, centroids) if labels is None else labels
        labels = torch.as_tensor(labels).to(device.name)
        lap("assign")
        picks = best_per_cluster_on_device(torch, labels, scores, row.b, row.k)
        lap("batch")
        row.stages = stages
        return Outcome(picks, centroids, labels, stages)

    if recipe:
        row.n_iter, row.train_rows = RECIPE_ITERATIONS, size
    return call


def _sample(torch: Any, rows: Any, size: int) -> Any:
    """Draw rows where they are, with replacement: nothing is cheaper."""
    if size >= len(rows):
        return rows
    if isinstance(rows, np.ndarray):
        return rows[np.random.default_rng(0).integers(0, len(rows), size)]
    return rows[torch.randint(len(rows), (size,), device=rows.device)]


def _check(device: Any, rows: Any, row: Row, found: Outcome) -> None:
    """Judge the labels in float64, take the inertia, count the picks."""
    import ally_fast

    picks = device.to_host(found.indices)
    row.picks = len({int(index) for index in picks})
    if row.picks != min(row.b, row.n):
        raise quality.WrongAnswerError(f"{row.picks} different rows in a batch of {row.b}")
    labels, centroids = found.assignments, found.centroids
    if labels is None:
        labels = ally_fast.assign(rows, centroids)
    if isinstance(centroids, np.ndarray):
        centroids = device.from_host(centroids, "float32")
    # Labels that came with the centroids may be of the iteration before: they are not certified.
    late = row.engine != "ally_fast" and row.setting.startswith("default")
    try:
        quality.check_labels(device, rows, centroids, labels, row.extra)
    except quality.WrongAnswerError:
        if not late or row.extra.get("excess", 1.0) > 0.05:
            raise
    row.inertia = quality.inertia_on_device(device, rows, centroids, labels)


def _finish(row: Row, known: dict[str, float], upload: bool) -> None:
    """Note the rate in rows, and for host rows the time over that of one copy of them."""
    if not row.seconds_median:
        return
    row.extra["mrows_per_s"] = row.n / row.seconds_median / 1e6
    if upload and rates.UPLOAD in known:
        copy = row.n * row.d * row.itemsize / known[rates.UPLOAD]
        row.extra["over_one_copy"] = row.seconds_median / copy
