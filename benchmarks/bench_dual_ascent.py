"""A primal-dual step on the CPU, forward and backward, beside eager torch and `torch.compile`."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

from benchmarks import machine, primal_dual_step
from benchmarks.clock import alternate
from benchmarks.job import Job
from benchmarks.plan import Shape
from benchmarks.primal_dual_step import CROSS_ENTROPY, ENGINES, EPSILON, LR, SQUARED_ERROR, Inputs

ROWS = (64, 1024, 16_384, 131_072, 1_000_000)
CLASSES = (10, 100, 1000)
DTYPES = ("float32", "bfloat16")
# Logits, gradient, and what eager torch keeps between: log-probabilities and two more of the size.
ARRAYS_OF_LOGITS = 5
LEAST_SECONDS = 0.02  # shorter calls are repeated within a measurement


def jobs(isas: list[str], args: Any) -> list[Job]:
    """List one job per shape and dtype: the engines take turns in its process."""
    shapes = [(CROSS_ENTROPY, *of) for of in product(ROWS, CLASSES, DTYPES)]
    shapes += [(SQUARED_ERROR, m, 1, "float32") for m in (64, 1_000_000)]
    if args.quick:
        shapes = [(CROSS_ENTROPY, 256, 10, dtype) for dtype in DTYPES]
    return [_job(*shape) for shape in shapes]


def _job(loss: str, m: int, c: int, dtype: str) -> Job:
    needed = ARRAYS_OF_LOGITS * 4 * m * c
    fits = needed < 0.75 * machine.hardware()["memory_bytes"]
    reason = "" if fits else f"it needs about {needed / 2**30:.0f} GiB"
    return Job.of(
        "dual_ascent",
        Shape("outputs", m, c, 0, 0),
        [(engine, loss) for engine in ENGINES],
        spec={"loss": loss, "dtype": dtype},
        reasons=dict.fromkeys(ENGINES[1:], reason),
        row={"dtype": dtype},
        estimate=8.0 + 4e-8 * m * c,
    )


def measure(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Run the engines in turn, then compare each with float64."""
    import torch

    torch.set_num_threads(spec["threads"])
    inputs = primal_dual_step.draw(spec["loss"], spec["n"], spec["d"], spec["dtype"])
    calls = {}
    for name in spec["names"]:
        engine = name.partition(":")[0]
        compiled = engine == "torch_compile"
        step = primal_dual_step.in_torch(inputs, wide=True, compiled=compiled)
        step = _ours(inputs) if engine == "ally_fast" else step
        calls[name] = partial(primal_dual_step.gradient, step, inputs)
    errors = {name: primal_dual_step.errors(inputs, *call()) for name, call in calls.items()}
    inner = _inner_repeats(calls)
    loops = {name: partial(_repeat, call, inner) for name, call in calls.items()}
    found = alternate(loops, repeats=7, budget_seconds=20.0, warm_up=True)
    for name, fields in found.items():
        fields["seconds"] = [seconds / inner for seconds in fields["seconds"]]
        fields["extra"] = {**errors[name], "calls_a_repeat": inner}
    return found


def _ours(inputs: Inputs) -> primal_dual_step.Step:
    from ally_fast.primal_dual import DualVariables

    duals = DualVariables(len(inputs.ids), EPSILON, LR, loss=inputs.loss)
    duals.multipliers.copy_(inputs.multipliers)

    def step(outputs: Any) -> tuple[Any, Any]:
        found = duals.step(outputs, inputs.targets, inputs.ids)
        return found.lagrangian, found.losses

    return step


def _repeat(call: Callable[[], Any], times: int) -> None:
    for _ in range(times):
        call()


def _inner_repeats(calls: dict[str, Callable[[], Any]]) -> int:
    """Return how many calls make a repeat of the fastest engine long enough to time."""
    fastest = float("inf")
    for call in calls.values():
        began = time.perf_counter()
        _repeat(call, 3)
        fastest = min(fastest, (time.perf_counter() - began) / 3)
    return max(1, round(LEAST_SECONDS / fastest))
