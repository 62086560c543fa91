"""A primal-dual step on CPU tensors; the core gets NumPy views, without copies."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.ops import dual_ascent as ops
from ally_fast.primal_dual._torch import torch
from ally_fast.primal_dual.nonfinite import NonFiniteLossError


def step(*arguments: Any) -> tuple[torch.Tensor, ...]:
    """Return (lagrangian, losses, slacks, before, log_sum_exp); only the GPU needs the last."""
    return _step(None, *arguments)[:5]


def step_with_gradient(*arguments: Any) -> tuple[torch.Tensor, ...]:
    """Return the results of `step`, and the Lagrangian's gradient with respect to the outputs."""
    return _step(1.0, *arguments)


def _step(
    scale: float | None,
    outputs: torch.Tensor,
    targets: torch.Tensor,
    ids: torch.Tensor,
    multipliers: torch.Tensor,
    report: torch.Tensor,  # for the GPU alone
    epsilon: torch.Tensor,
    lr: float,
    loss: str,
) -> tuple[Any, ...]:
    rows, bf16 = _view(outputs)
    result = ops.dual_ascent(
        rows,
        _view(targets)[0],
        _view(ids)[0],
        _view(multipliers)[0],
        loss=loss,
        epsilon=_view(epsilon)[0],
        lr=lr,
        gradient_scale=scale,
        bf16=bf16,
    )
    if result.nonfinite:
        raise _error(result, _view(ids)[0], lr)
    return (
        _scalar(result.lagrangian),
        _tensor(result.losses),
        _tensor(result.slacks),
        _tensor(result.before),
        torch.empty(0, dtype=torch.float64),
        None if result.gradient is None else _gradient_tensor(result.gradient, bf16),
    )


def step_of_losses(
    losses: torch.Tensor,
    dual_losses: torch.Tensor,
    ids: torch.Tensor,
    multipliers: torch.Tensor,
    report: torch.Tensor,
    epsilon: torch.Tensor,
    lr: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return (lagrangian, slacks, before); only the GPU uses `report`."""
    result = ops.dual_ascent_losses(
        _view(losses)[0],
        _view(dual_losses)[0],
        _view(ids)[0],
        _view(multipliers)[0],
        epsilon=_view(epsilon)[0],
        lr=lr,
    )
    if result.nonfinite:
        raise _error(result, _view(ids)[0], lr)
    return _scalar(result.lagrangian), _tensor(result.slacks), _tensor(result.before)


def gradient(
    outputs: torch.Tensor,
    targets: torch.Tensor,
    losses: torch.Tensor,
    before: torch.Tensor,
    log_sum_exp: torch.Tensor,
    scale: torch.Tensor,
    loss: str,
) -> torch.Tensor:
    """Return the gradient of the Lagrangian with respect to `outputs`, times `scale`."""
    rows, bf16 = _view(outputs)
    answer = ops.dual_ascent_gradient(
        rows, _view(targets)[0], _view(before)[0], float(scale), loss=loss, bf16=bf16
    )
    return _gradient_tensor(answer, bf16)


def _view(tensor: torch.Tensor) -> tuple[NDArray[Any], bool]:
    """Return a tensor's memory as an array (bfloat16 as its bits), and whether it is bfloat16."""
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(np.uint16), True
    return tensor.numpy(), False


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    tensor: torch.Tensor = torch.from_numpy(array)
    return tensor


def _gradient_tensor(array: NDArray[Any], bf16: bool) -> torch.Tensor:
    return _tensor(array.view(np.int16)).view(torch.bfloat16) if bf16 else _tensor(array)


def _scalar(value: float) -> torch.Tensor:
    return _tensor(np.array(value, np.float32))


def _error(result: ops.DualAscent, ids: NDArray[np.int64], lr: float) -> NonFiniteLossError:
    with np.errstate(over="ignore", invalid="ignore"):
        moved = (result.before + lr * result.slacks.astype(np.float64)).astype(np.float32)
        for what, values in (
            ("the loss is not finite", result.losses),
            ("the slack is not finite", result.slacks),
            ("the multiplier overflows", moved),
        ):
            if len(wrong := ids[~np.isfinite(values)]):
                return NonFiniteLossError(what, wrong.tolist())
    return NonFiniteLossError("the loss is not finite", [result.first_nonfinite])
