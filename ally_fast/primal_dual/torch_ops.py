"""`dual_ascent` as torch operators, which work with its autograd, its compiler and its checks.

================================  ===========================================
in ``torch.ops.ally_fast``
================================  ===========================================
``dual_ascent``                   the step from outputs, for a loss by name
``dual_ascent_losses``            the step from losses
``dual_ascent_gradient``          the backward pass of the first
================================  ===========================================

The first two update multipliers in place and are differentiable. ``torch.library`` does not accept
an autograd formula for an operator that writes to an argument. So each has an autograd function,
registered for the Autograd key, which calls the operator below that key. The GPU's backward pass
needs `log_sum_exp`; on the CPU it is empty.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from ally_fast.primal_dual import cuda_step, host_step
from ally_fast.primal_dual._torch import torch

_SCHEMAS = (
    "dual_ascent(Tensor outputs, Tensor targets, Tensor ids, Tensor(a!) multipliers, "
    "Tensor(b!) report, Tensor epsilon, float lr, str loss) "
    "-> (Tensor lagrangian, Tensor losses, Tensor slacks, Tensor before, Tensor log_sum_exp)",
    "dual_ascent_losses(Tensor losses, Tensor dual_losses, Tensor ids, Tensor(a!) multipliers, "
    "Tensor(b!) report, Tensor epsilon, float lr) "
    "-> (Tensor lagrangian, Tensor slacks, Tensor before)",
    "dual_ascent_gradient(Tensor outputs, Tensor targets, Tensor losses, Tensor before, "
    "Tensor log_sum_exp, Tensor scale, str loss) -> Tensor",
)
# Without types in torch. The operators live as long as this object does.
_LIBRARY: Any = cast(Any, torch.library).Library("ally_fast", "DEF")

for _schema in _SCHEMAS:
    _LIBRARY.define(_schema, tags=(torch.Tag.pt2_compliant_tag, torch.Tag.needs_fixed_stride_order))

_OPS = torch.ops.ally_fast
dual_ascent = _OPS.dual_ascent.default
dual_ascent_losses = _OPS.dual_ascent_losses.default
dual_ascent_gradient = _OPS.dual_ascent_gradient.default

for _key, _kernels in (("CPU", host_step), ("CUDA", cuda_step)):
    _LIBRARY.impl("dual_ascent", _kernels.step, _key)
    _LIBRARY.impl("dual_ascent_losses", _kernels.step_of_losses, _key)
    _LIBRARY.impl("dual_ascent_gradient", _kernels.gradient, _key)


def _is_eager_on_cpu(tensor: torch.Tensor) -> bool:
    """Return whether an operator computes now, on the host, and nothing records it."""
    plain = type(tensor) in (torch.Tensor, torch.nn.Parameter) and tensor.device.type == "cpu"
    return plain and not torch.utils._python_dispatch.is_in_torch_dispatch_mode()


class _Step(torch.autograd.Function):
    """The gradient of a Lagrangian with respect to outputs.

    On the CPU the forward pass computes it, while a row is in the cache. It serves the usual case:
    one backward pass with a gradient of 1.
    """

    @staticmethod
    def forward(ctx: Any, outputs: torch.Tensor, targets: torch.Tensor, *rest: Any) -> Any:
        ctx.ready = None
        if _is_eager_on_cpu(outputs):
            *results, ctx.ready = host_step.step_with_gradient(outputs, targets, *rest)
        else:
            with torch._C._AutoDispatchBelowAutograd():
                results = dual_ascent(outputs, targets, *rest)
        lagrangian, losses, slacks, before, log_sum_exp = results
        ctx.save_for_backward(outputs, targets, losses, before, log_sum_exp)
        ctx.loss = rest[-1]
        ctx.mark_non_differentiable(losses, slacks, before, log_sum_exp)
        ctx.set_materialize_grads(False)  # no zeros for those
        return lagrangian, losses, slacks, before, log_sum_exp

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor | None) -> Any:
        # Returned only once, because the caller may write to it.
        of_outputs, ctx.ready = ctx.ready, None
        if gradients[0] is None:
            return (None,) * 8
        if of_outputs is None or float(gradients[0]) != 1:
            of_outputs = dual_ascent_gradient(*ctx.saved_tensors, gradients[0], ctx.loss)
        return of_outputs, *(None,) * 7


class _StepOfLosses(torch.autograd.Function):
    """The gradient of a Lagrangian with respect to losses: 1/m, and before/m for the dual ones."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Any:
        with torch._C._AutoDispatchBelowAutograd():
            results = dual_ascent_losses(*arguments)
        _, slacks, before = results
        ctx.save_for_backward(before)
        ctx.mark_non_differentiable(slacks, before)
        ctx.set_materialize_grads(False)
        return results

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor | None) -> Any:
        if gradients[0] is None:
            return (None,) * 7
        (before,) = ctx.saved_tensors
        of_losses = (gradients[0] / max(1, before.shape[0])).expand_as(before)
        return of_losses, of_losses * before, *(None,) * 5


def _with_autograd(op: Any, function: Any) -> Callable[..., Any]:
    """Return the version of an operator that records gradients if they are needed."""

    def call(*arguments: Any) -> Any:
        if torch.is_grad_enabled() and any(
            isinstance(argument, torch.Tensor) and argument.requires_grad for argument in arguments
        ):
            return function.apply(*arguments)
        with torch._C._AutoDispatchBelowAutograd():
            return op(*arguments)

    return call


_LIBRARY.impl("dual_ascent", _with_autograd(dual_ascent, _Step), "Autograd")
_LIBRARY.impl("dual_ascent_losses", _with_autograd(dual_ascent_losses, _StepOfLosses), "Autograd")


def _fake_step(outputs: torch.Tensor, *rest: Any) -> tuple[torch.Tensor, ...]:
    m = outputs.shape[0]
    sums = m if outputs.is_cuda and rest[-1] == "cross_entropy" else 0
    rows = [outputs.new_empty((m,), dtype=torch.float32) for _ in range(3)]
    lagrangian = outputs.new_empty((), dtype=torch.float32)
    return lagrangian, *rows, outputs.new_empty((sums,), dtype=torch.float64)


def _fake_step_of_losses(losses: torch.Tensor, *rest: Any) -> tuple[torch.Tensor, ...]:
    return losses.new_empty(()), losses.new_empty(losses.shape), losses.new_empty(losses.shape)


def _fake_gradient(outputs: torch.Tensor, *rest: Any) -> torch.Tensor:
    return outputs.new_empty(outputs.shape)


for _name, _fake in (
    ("dual_ascent", _fake_step),
    ("dual_ascent_losses", _fake_step_of_losses),
    ("dual_ascent_gradient", _fake_gradient),
):
    cast(Any, torch.library).register_fake(f"ally_fast::{_name}", _fake, lib=_LIBRARY)
