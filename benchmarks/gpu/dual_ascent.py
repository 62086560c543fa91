"""The fused primal-dual step on logits, beside eager torch and ``torch.compile``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from benchmarks import primal_dual_step
from benchmarks.gpu import rates
from benchmarks.gpu.race import Contestant, race
from benchmarks.gpu.recorder import Recorder
from benchmarks.primal_dual_step import CROSS_ENTROPY, ENGINES, Inputs
from benchmarks.quality import WrongAnswerError
from benchmarks.rows import MissingError, Row

WORST = {"float32": 1e-4, "bfloat16": 2e-2, "float16": 5e-3}  # errors, relative


@dataclass(frozen=True)
class Work:
    """Steps on `m` rows of each of `cs` classes, with ``torch.compile`` or not."""

    m: int
    cs: Sequence[int]
    dtype: str
    compiled: bool = True
    repeats: int = 15


def measure(recorder: Recorder, device: Any, work: Work) -> None:
    """Measure forward alone, and with the gradient."""
    known = rates.ceilings(recorder.stored, recorder.gpu)
    for c in work.cs:
        inputs = cache(partial(_inputs, device, work.m, c, work.dtype))  # what all work on
        for backward in (False, True):
            name = "dual_ascent gradient" if backward else "dual_ascent"
            shape = {"dataset": "logits", "n": work.m, "d": c, "dtype": work.dtype}
            entries = []
            for engine in ENGINES if work.compiled else ENGINES[:2]:
                row = recorder.row("gpu_ops", engine, name, **shape)
                prepare = partial(_prepare, inputs, engine, backward)
                check = partial(_check, inputs, row)
                entries.append(Contestant(row, prepare, check, repeats=work.repeats))
            moved = rates.dual_bytes(work.m, c, work.dtype, backward)
            finish = partial(rates.note_bytes, amount=moved, known=known)
            race(recorder, device, entries, 10.0, finish)


def _inputs(device: Any, m: int, c: int, dtype: str) -> Inputs:
    if not device.has_torch:
        raise MissingError("torch with CUDA is not there")
    return primal_dual_step.draw(CROSS_ENTROPY, m, c, dtype, device.name)


def _prepare(
    inputs: Callable[[], Inputs], engine: str, backward: bool
) -> Callable[[], tuple[Any, Any]]:
    if engine == "ally_fast":
        return _ours(inputs(), backward)
    compiled = engine == "torch_compile"
    step = primal_dual_step.in_torch(inputs(), wide=False, compiled=compiled)
    run = primal_dual_step.gradient if backward else primal_dual_step.forward
    return partial(run, step, inputs())


def _ours(inputs: Inputs, backward: bool) -> Callable[[], tuple[Any, Any]]:
    """Our kernel, gradient in the same pass; allocations as torch makes them, on the clock."""
    import torch

    from ally_fast import _cuda

    logits, duals = inputs.outputs, inputs.multipliers.clone()
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
            view(inputs.targets),
            view(inputs.ids),
            view(duals),
            primal_dual_step.EPSILON,
            primal_dual_step.LR,
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


def _check(inputs: Callable[[], Inputs], row: Row, value: tuple[Any, Any]) -> None:
    """Compare losses and gradients of some rows with float64."""
    row.extra |= primal_dual_step.errors(inputs(), *value)
    if not row.extra["relative_error"] <= WORST[row.dtype]:
        raise WrongAnswerError(f"relative error {row.extra['relative_error']:.1e} against float64")
