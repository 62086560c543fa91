"""A primal-dual step as it is written in torch, its inputs, and its errors against float64.

The work: loss of each sample, slack, projected update of the minibatch's multipliers, the weighted
mean, and its gradient with respect to the outputs. On the CPU and on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

EPSILON, LR = 0.2, 0.05
ENGINES = ("ally_fast", "torch_eager", "torch_compile")
CROSS_ENTROPY, SQUARED_ERROR = "cross_entropy", "squared_error"
CHECKED_ROWS = 4096

Step = Callable[[Any], tuple[Any, Any]]  # outputs -> Lagrangian, losses


@dataclass(frozen=True)
class Inputs:
    """What every engine works on, tensors: the multipliers are those at the start."""

    loss: str
    outputs: Any
    targets: Any
    ids: Any
    multipliers: Any


def draw(loss: str, n: int, c: int, dtype: str, device: str = "cpu") -> Inputs:
    """Draw n samples of c outputs where they are to be."""
    import torch

    make: Any = {"generator": torch.Generator(device).manual_seed(7), "device": device}
    outputs = (3 * torch.randn(n, c, **make)).to(getattr(torch, dtype))
    if loss == CROSS_ENTROPY:
        targets = torch.randint(c, (n,), **make)
    else:
        targets = torch.randn(n, c, **make)
    return Inputs(loss, outputs, targets, torch.randperm(n, **make), torch.rand(n, **make))


def in_torch(inputs: Inputs, *, wide: bool, compiled: bool = False) -> Step:
    """Return the step, with multipliers of its own.

    Parameters
    ----------
    inputs : Inputs
    wide : bool
        Whether losses are computed in float32, as ours are, or in the outputs' dtype.
    compiled : bool
        By ``torch.compile``.
    """
    import torch

    def step(outputs: Any, targets: Any, ids: Any, multipliers: Any) -> tuple[Any, Any]:
        outputs = outputs.float() if wide else outputs
        if inputs.loss == CROSS_ENTROPY:
            losses = torch.nn.functional.cross_entropy(outputs, targets, reduction="none").float()
        else:
            losses = torch.square(outputs - targets).mean(1)
        slacks = losses - EPSILON
        before = multipliers[ids]
        with torch.no_grad():
            multipliers[ids] = torch.clamp(before + LR * slacks, min=0)
        return (losses + before * slacks).mean(), losses

    function = torch.compile(step) if compiled else step
    multipliers = inputs.multipliers.clone()
    return lambda outputs: function(outputs, inputs.targets, inputs.ids, multipliers)


def forward(step: Step, inputs: Inputs) -> tuple[Any, None]:
    """Return the losses."""
    import torch

    with torch.no_grad():
        return step(inputs.outputs)[1], None


def gradient(step: Step, inputs: Inputs) -> tuple[Any, Any]:
    """Return the losses, and the gradient with respect to the outputs."""
    import torch

    outputs = inputs.outputs.detach().requires_grad_()
    lagrangian, losses = step(outputs)
    return losses.detach(), torch.autograd.grad(lagrangian, outputs)[0]


def errors(inputs: Inputs, losses: Any, slope: Any = None) -> dict[str, float]:
    """Return the errors of some rows: the largest, relative to the row's largest value, and of all.

    ``relative_error`` is that of all rows in the Euclidean norm, the worse of losses and gradient.
    Errors are those of an engine's first call: later ones have other multipliers.
    """
    import torch

    n = len(losses)
    rows = torch.linspace(0, n - 1, min(n, CHECKED_ROWS)).long().to(losses.device)
    wide, goal = inputs.outputs[rows].double().requires_grad_(), inputs.targets[rows]
    if inputs.loss == CROSS_ENTROPY:
        truth = torch.nn.functional.cross_entropy(wide, goal, reduction="none")
    else:
        truth = torch.square(wide - goal.double()).mean(1)
    weights = (1 + inputs.multipliers[inputs.ids[rows]].double()) / n
    (exact,) = torch.autograd.grad((weights * truth).sum(), wide)
    truth = truth.detach()
    gaps = losses[rows].double() - truth
    found = {"loss_error": float((gaps.abs() / truth.abs().clamp(min=1)).max())}
    of_all = [float(gaps.norm() / truth.norm())]
    if slope is not None:
        gaps = slope[rows].double() - exact
        scale = exact.abs().amax(1, keepdim=True).clamp(min=1e-300)
        found["gradient_error"] = float((gaps.abs() / scale).max())
        of_all.append(float(gaps.norm() / exact.norm()))
    return {**found, "relative_error": max(of_all)}
