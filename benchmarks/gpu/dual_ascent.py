"""The fused primal-dual step on logits, beside eager torch and ``torch.compile``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.gpu import rates
from benchmarks.gpu.race import Contestant, race
from benchmarks.gpu.recorder import Recorder
from benchmarks.quality import WrongAnswerError
from benchmarks.rows import MissingError, Row, stored

EPSILON, LR = 0.1, 0.05
CHECKED_ROWS = 4096
WORST = {"float32": 1e-4, "bfloat16": 2e-2, "float16": 5e-3}  # of the losses, relative


def measure(
    recorder: Recorder,
    device: Any,
    *,
    m: int,
    cs: list[int],
    dtype: str,
    compiled: bool = True,
    out: Any = None,
    repeats: int = 15,
) -> None:
    """Measure forward alone, and with the gradient.

    Parameters
    ----------
    recorder, device
    m : int
        Rows.
    cs : list of int
        Numbers of classes.
    dtype : str
        Element type of the logits.
    compiled : bool
        Measure ``torch.compile`` as well.
    out : Path
        Where the ceilings are read.
    repeats : int
    """
    known = rates.ceilings(stored(out), recorder.gpu)
    engines = ["ally_fast", "torch_eager", *(["torch_compile"] if compiled else [])]
    for c in cs:
        step: dict[str, Any] = {}  # what all work on
        for backward in (False, True):
            name = "dual_ascent gradient" if backward else "dual_ascent"
            shape = {"dataset": "logits", "n": m, "d": c, "dtype": dtype}
            entries = []
            for engine in engines:
                row = recorder.row("gpu_ops", engine, name, **shape)
                prepare = partial(_prepare, device, step, row, backward)
                check = partial(_check, device, step, row, backward)
                entries.append(Contestant(row, prepare, check, repeats=repeats))
            moved = rates.dual_bytes(m, c, dtype, backward)
            finish = partial(rates.note_bytes, moved=moved, known=known)
            race(recorder, device, entries, 10.0, finish)


def _prepare(
    device: Any, step: dict[str, Any], row: Row, backward: bool
) -> Callable[[], tuple[Any, Any]]:
    if not device.has_torch:
        raise MissingError("torch with CUDA is not there")
    torch = device.torch
    if not step:
        generator = torch.Generator(device.name).manual_seed(7)
        make = {"generator": generator, "device": device.name}
        step["logits"] = 3 * torch.randn(row.n, row.d, **make).to(getattr(torch, row.dtype))
        step["targets"] = torch.randint(row.d, (row.n,), **make)
        step["ids"] = torch.randperm(row.n, **make)
        step["start"] = torch.rand(row.n, **make)
    duals = step["start"].clone()
    if row.engine == "ally_fast":
        return _ours(torch, step, duals, backward)
    function = partial(_torch_step, torch)
    if row.engine == "torch_compile":
        function = torch.compile(function)
    return _theirs(torch, step, duals, backward, function)


def _ours(
    torch: Any, step: dict[str, Any], duals: Any, backward: bool
) -> Callable[[], tuple[Any, Any]]:
    """Our kernel, gradient in the same pass; allocations as torch makes them, on the clock."""
    from ally_fast import _cuda

    logits = step["logits"]
    m, bf16 = len(logits), logits.dtype == torch.bfloat16
    stream = _cuda.Stream.foreign(
        logits.device.index, torch.cuda.current_stream(logits.device).cuda_stream
    )

    def view(x: Any) -> Any:
        dtype = "uint16" if x.dtype == torch.bfloat16 else str(x.dtype).removeprefix("torch.")
        strides = [step * x.element_size() for step in x.stride()]
        return _cuda.DeviceArray.foreign(x.data_ptr(), tuple(x.shape), strides, dtype, stream, x)

    def call() -> tuple[Any, Any]:
        new = partial(torch.empty, device=logits.device)
        losses, slacks, before = (new(m, dtype=torch.float32) for _ in range(3))
        sums, total = new(m, dtype=torch.float64), new(1, dtype=torch.float64)
        report = new(5, dtype=torch.int64)
        gradient = torch.empty_like(logits) if backward else None
        _cuda.dual_ascent(
            view(logits),
            view(step["targets"]),
            view(step["ids"]),
            view(duals),
            EPSILON,
            LR,
            view(losses),
            view(slacks),
            view(before),
            view(sums),
            None if gradient is None else view(gradient),
            view(total),
            view(report),
            loss="cross_entropy",
            bf16=bf16,
        )
        return losses, gradient

    return call


def _torch_step(torch: Any, logits: Any, targets: Any, ids: Any, duals: Any) -> tuple[Any, Any]:
    """One step as it is written in torch."""
    losses = torch.nn.functional.cross_entropy(logits, targets, reduction="none").float()
    slacks = losses - EPSILON
    before = duals[ids]
    with torch.no_grad():
        duals[ids] = torch.relu(before + LR * slacks)
    return losses, (losses + before * slacks).mean()


def _theirs(
    torch: Any, step: dict[str, Any], duals: Any, backward: bool, function: Any
) -> Callable[[], tuple[Any, Any]]:
    targets, ids = step["targets"], step["ids"]

    def call() -> tuple[Any, Any]:
        if not backward:
            with torch.no_grad():
                return function(step["logits"], targets, ids, duals)[0], None
        logits = step["logits"].detach().requires_grad_()
        losses, lagrangian = function(logits, targets, ids, duals)
        return losses, torch.autograd.grad(lagrangian, logits)[0]

    return call


def _check(
    device: Any, step: dict[str, Any], row: Row, backward: bool, value: tuple[Any, Any]
) -> None:
    """Compare losses and gradients of some rows with float64."""
    torch = device.torch
    losses, gradient = value
    rows = torch.from_numpy(np.linspace(0, row.n - 1, min(row.n, CHECKED_ROWS)).astype(np.int64))
    rows = rows.to(device.name)
    logits, targets = step["logits"][rows].double(), step["targets"][rows]
    truth = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    error = _relative(losses[rows].double(), truth)
    row.extra["loss_error"] = error
    if backward:
        weights = (1 + step["start"][step["ids"][rows]].double()) / row.n
        one_hot = torch.nn.functional.one_hot(targets, row.d)
        expected = (logits.softmax(1) - one_hot) * weights[:, None]
        row.extra["gradient_error"] = _relative(gradient[rows].double(), expected)
        error = max(error, row.extra["gradient_error"])
    if not error <= WORST[row.dtype]:
        raise WrongAnswerError(f"relative error {error:.1e} against float64")


def _relative(found: Any, truth: Any) -> float:
    return float((found.detach() - truth).norm() / truth.norm())
