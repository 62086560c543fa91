"""The assign operation on device rows: our kernels, certified and not, beside the rivals'.

Everyone gets the same rows and centroids. Ours includes packing rows and centroids; a rival gets
its norms of the rows for nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from benchmarks import quality
from benchmarks.gpu import rates
from benchmarks.gpu.peers import load_peer
from benchmarks.gpu.race import Contestant, race
from benchmarks.gpu.recorder import Recorder
from benchmarks.rows import Row

KERNEL = "ALLY_FAST_CUDA_KERNEL"
TRAIN_ROWS = 64  # a centroid: enough for centroids that look like those of a selection


@dataclass(frozen=True)
class Work:
    """Every combination at one n and d.

    Parameters
    ----------
    n, d : int
        Rows, dimensions.
    ks : sequence of int
        Numbers of clusters, rising.
    dtypes : sequence of str
        Element types of the rows.
    kernels : sequence of str
        Values of ``ALLY_FAST_CUDA_KERNEL``.
    peers : sequence of str
        Names of ``benchmarks.gpu.peers``.
    dataset : str
        "mixture" or a real pool.
    repeats : int
        Timed calls of everyone.
    budget : float
        Seconds for the rounds of one k and dtype.
    """

    n: int
    d: int
    ks: Sequence[int]
    dtypes: Sequence[str]
    kernels: Sequence[str]
    peers: Sequence[str]
    dataset: str = "mixture"
    repeats: int = 7
    budget: float = 8.0


def measure(recorder: Recorder, device: Any, work: Work) -> None:
    """Measure everyone in turn, combination by combination."""
    known = rates.ceilings(recorder.stored, recorder.gpu)
    for dtype in work.dtypes:
        rows = None
        for k in work.ks:
            plan = _rows(recorder, work, k, dtype)
            if not any(recorder.wanted(row) for row in plan):
                continue
            if rows is None:
                rows = pool(device, work.dataset, work.n, work.d, dtype)
            train = recorder.trusted("ally_fast portable")
            centroids = cache(partial(_centroids, device, rows, k, train))
            entries = []
            for row in plan:
                maker = _ours if row.engine == "ally_fast" else _peer
                prepare = partial(_prepare, maker, device, rows, centroids, row)
                check = partial(_check, device, rows, centroids, row)
                entries.append(Contestant(row, prepare, check, repeats=work.repeats))
            flops = rates.assign_flops(work.n, work.d, k)
            finish = partial(rates.note_flops, amount=flops, known=known)
            race(recorder, device, entries, work.budget, finish)


def pool(device: Any, dataset: str, n: int, d: int, dtype: str) -> Any:
    """Return rows on the device: a mixture drawn there, or a real pool."""
    if dataset == "mixture":
        return device.mixture(n, d, 1, dtype)
    from benchmarks import datasets

    return device.from_host(datasets.load(dataset, n).rows, dtype)


def _rows(recorder: Recorder, work: Work, k: int, dtype: str) -> list[Row]:
    shape = {"dataset": work.dataset, "n": work.n, "d": work.d, "k": k, "dtype": dtype}
    found = []
    for kernel in work.kernels:
        for setting in ("certified", "uncertified"):
            options = {"kernel": kernel, "certify": setting == "certified"}
            ours = {"options": options, "isa": kernel, **shape}
            found.append(recorder.row("gpu_assign", "ally_fast", f"{kernel} {setting}", **ours))
    return found + [recorder.row("gpu_assign", peer, "default", **shape) for peer in work.peers]


def _prepare(
    maker: Callable[..., Any], device: Any, rows: Any, centroids: Callable[[], Any], row: Row
) -> Callable[[], Any]:
    """Prepare a contestant; the first one's watchdog looks after the training, too."""
    found, row.extra["centroids"] = centroids()
    call: Callable[[], Any] = maker(device, rows, found, row)
    return call


def _centroids(device: Any, rows: Any, k: int, train: bool) -> tuple[Any, str]:
    """Train centroids a little, in the rows' dtype; rows of the pool where that is not possible."""
    import ally_fast

    dtype = str(rows.dtype).removeprefix("torch.")
    try:
        if not train:
            raise RuntimeError("the kernel that trains was stopped")
        os.environ[KERNEL] = "portable"
        found = ally_fast.kmeans(rows, k, train_size=min(len(rows), TRAIN_ROWS * k), max_iter=3)
        return device.from_host(np.asarray(found.centroids), dtype), "kmeans, 3 iterations"
    except Exception as error:
        print(f"centroids are rows: {type(error).__name__}: {error}", flush=True)
        positions = np.linspace(0, len(rows) - 1, k).astype(np.int64)
        return device.from_host(device.take(rows, positions), dtype), "rows of the pool"


def _ours(device: Any, rows: Any, centroids: Any, row: Row) -> Callable[[], Any]:
    from ally_fast import _cuda
    from ally_fast.ops.assign import assign_on_device, device_stats, packed_points
    from ally_fast.rows import Rows

    view, bf16 = device.view(rows)
    stream = view.stream
    wide = np.ascontiguousarray(device.to_host(centroids), dtype=np.float32)
    matrix = _cuda.DeviceArray.from_host(wide, stream)
    out = _cuda.DeviceArray.empty((row.n,), np.int32, stream)
    kernel, certify = row.options["kernel"], row.options["certify"]

    def call() -> Any:
        os.environ[KERNEL] = kernel
        stats = device_stats(stream)
        packed = packed_points(matrix)
        assign_on_device(Rows(view, bf16), packed, stats, out=out, certify=certify)
        return out, stats

    return call


def _peer(device: Any, rows: Any, centroids: Any, row: Row) -> Callable[[], Any]:
    peer = load_peer(row.engine, device)
    call = peer.assigner(rows, centroids, row.dtype)
    row.extra["given"] = peer.given
    return call


def _check(device: Any, rows: Any, given: Callable[[], Any], row: Row, value: Any) -> None:
    """Judge the labels; certified ones must all be right."""
    labels, centroids = value, given()[0]
    if row.engine == "ally_fast":
        found, stats = value
        counts = device.to_host(stats)
        row.extra["settled"], row.extra["candidates"] = int(counts[0]), int(counts[1])
        labels = device.from_host(device.to_host(found), "int32")
    quality.check_labels(device, rows, centroids, labels, row.extra)
    if row.options.get("certify") and row.extra["wrong_labels"]:
        raise quality.WrongAnswerError(f"{row.extra['wrong_labels']:.2%} of certified labels wrong")
    row.inertia = quality.inertia_on_device(device, rows, centroids, labels)
