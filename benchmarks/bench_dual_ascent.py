"""A primal-dual step on the CPU, forward and backward, beside eager torch and `torch.compile`.

The work: loss of each sample, slack, projected update of the minibatch's multipliers, the weighted
mean, and its gradient with respect to the outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

from benchmarks import machine
from benchmarks.clock import alternate
from benchmarks.job import Job
from benchmarks.plan import Shape

EPSILON, LR = 0.2, 0.05
ENGINES = ("ally_fast", "torch_eager", "torch_compile")
ROWS = (64, 1024, 16_384, 131_072, 1_000_000)
CLASSES = (10, 100, 1000)
DTYPES = ("float32", "bfloat16")
CROSS_ENTROPY, SQUARED_ERROR = "cross_entropy", "squared_error"
CHECKED_ROWS = 4096
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
    m, c, generator = spec["n"], spec["d"], torch.Generator().manual_seed(7)
    outputs = (3 * torch.randn(m, c, generator=generator)).to(getattr(torch, spec["dtype"]))
    if spec["loss"] == CROSS_ENTROPY:
        targets = torch.randint(c, (m,), generator=generator)
    else:
        targets = torch.randn(m, c, generator=generator)
    ids = torch.randperm(m, generator=generator)
    start = torch.rand(m, generator=generator)
    eager = partial(_step_in_torch, spec["loss"])
    steps = {
        "ally_fast": lambda: _ours(spec["loss"], m, start),
        "torch_eager": lambda: _with_multipliers(eager, start),
        "torch_compile": lambda: _with_multipliers(torch.compile(eager), start),
    }
    calls = {
        name: partial(_gradient, steps[name.partition(":")[0]](), outputs, targets, ids)
        for name in spec["names"]
    }
    errors = {name: _errors(calls[name](), spec, outputs, targets, ids, start) for name in calls}
    inner = _inner_repeats(calls)
    loops = {name: partial(_repeat, call, inner) for name, call in calls.items()}
    found = alternate(loops, repeats=7, budget_seconds=20.0, warm_up=True)
    for name, fields in found.items():
        fields["seconds"] = [seconds / inner for seconds in fields["seconds"]]
        fields["extra"] = {**errors[name], "calls_a_repeat": inner}
    return found


Step = Callable[[Any, Any, Any], tuple[Any, Any]]  # outputs, targets, ids -> Lagrangian, losses


def _ours(loss: str, m: int, start: Any) -> Step:
    from ally_fast.primal_dual import DualVariables

    duals = DualVariables(m, EPSILON, LR, loss=loss)
    duals.multipliers.copy_(start)

    def step(outputs: Any, targets: Any, ids: Any) -> tuple[Any, Any]:
        found = duals.step(outputs, targets, ids)
        return found.lagrangian, found.losses

    return step


def _step_in_torch(loss: str, outputs: Any, targets: Any, ids: Any, multipliers: Any) -> Any:
    """Return the Lagrangian as it is written in torch; losses in float32, as ours are."""
    import torch

    if loss == CROSS_ENTROPY:
        losses = torch.nn.functional.cross_entropy(outputs.float(), targets, reduction="none")
    else:
        losses = torch.square(outputs.float() - targets).mean(1)
    slacks = losses - EPSILON
    before = multipliers[ids]
    with torch.no_grad():
        multipliers[ids] = torch.clamp(before + LR * slacks, min=0)
    return (losses + before * slacks).mean(), losses


def _with_multipliers(function: Any, start: Any) -> Step:
    multipliers = start.clone()
    return lambda outputs, targets, ids: function(outputs, targets, ids, multipliers)


def _gradient(step: Step, outputs: Any, targets: Any, ids: Any) -> tuple[Any, Any]:
    """Return the losses, and the gradient with respect to the outputs."""
    import torch

    outputs = outputs.detach().requires_grad_()
    lagrangian, losses = step(outputs, targets, ids)
    return losses.detach(), torch.autograd.grad(lagrangian, outputs)[0]


def _repeat(call: Callable[[], Any], times: int) -> None:
    for _ in range(times):
        call()


def _inner_repeats(calls: dict[str, Callable[[], Any]]) -> int:
    """Return how many calls make a repeat of the fastest engine long enough to time."""
    import time

    fastest = float("inf")
    for call in calls.values():
        began = time.perf_counter()
        _repeat(call, 3)
        fastest = min(fastest, (time.perf_counter() - began) / 3)
    return max(1, round(LEAST_SECONDS / fastest))


def _errors(
    found: tuple[Any, Any], spec: dict[str, Any], outputs: Any, targets: Any, ids: Any, start: Any
) -> dict[str, float]:
    """Return the largest errors against float64, relative to the largest value of the row.

    The multipliers are those of the start: errors are taken from an engine's first call.
    """
    import torch

    losses, gradient = found
    rows = torch.linspace(0, spec["n"] - 1, min(spec["n"], CHECKED_ROWS)).long()
    wide, goal = outputs[rows].double().requires_grad_(), targets[rows]
    if spec["loss"] == CROSS_ENTROPY:
        truth = torch.nn.functional.cross_entropy(wide, goal, reduction="none")
    else:
        truth = torch.square(wide - goal.double()).mean(1)
    weights = (1 + start[ids[rows]].double()) / spec["n"]
    (slope,) = torch.autograd.grad((weights * truth).sum(), wide)
    truth = truth.detach()
    scale = slope.abs().amax(1, keepdim=True).clamp(min=1e-300)
    return {
        "loss_error": float(
            ((losses[rows].double() - truth).abs() / truth.abs().clamp(min=1)).max()
        ),
        "gradient_error": float(((gradient[rows].double() - slope).abs() / scale).max()),
    }
