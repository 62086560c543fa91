"""A primal-dual step on CUDA tensors, without copies and without waiting for the GPU.

If the core finds an error in a step (a bad id, a loss that is not finite), the error stays on the
device, in `report`, until `raise_report` raises it.
"""

from __future__ import annotations

from typing import Any

from ally_fast.device import cuda_module
from ally_fast.ops.dual_ascent import check_report
from ally_fast.primal_dual._torch import torch
from ally_fast.primal_dual.nonfinite import NonFiniteLossError


def step(
    outputs: torch.Tensor,
    targets: torch.Tensor,
    ids: torch.Tensor,
    multipliers: torch.Tensor,
    report: torch.Tensor,
    epsilon: torch.Tensor,
    lr: float,
    loss: str,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return (lagrangian, losses, slacks, before, log_sum_exp); errors go to `report`."""
    device = _Device(outputs, "outputs")
    m = outputs.shape[0]
    losses, slacks, before = (_empty(outputs, (m,), torch.float32) for _ in range(3))
    classes = loss == "cross_entropy"
    log_sum_exp = _empty(outputs, (m if classes else 0,), torch.float64)
    lagrangian = _empty(outputs, (1,), torch.float64)
    latest = torch.empty_like(report)
    device.module.dual_ascent(
        device.array(outputs, "outputs"),
        device.array(targets, "targets"),
        device.array(ids, "ids"),
        device.array(multipliers, "multipliers"),
        device.number_or_array(epsilon, "epsilon"),
        lr,
        device.array(losses, "losses"),
        device.array(slacks, "slacks"),
        device.array(before, "before"),
        device.array(log_sum_exp, "log_sum_exp") if classes else None,
        None,
        device.array(lagrangian, "lagrangian"),
        device.array(latest, "found"),
        loss=loss,
        bf16=outputs.dtype == torch.bfloat16,
    )
    _keep_first(report, latest)
    return lagrangian[0].float(), losses, slacks, before, log_sum_exp


def step_of_losses(
    losses: torch.Tensor,
    dual_losses: torch.Tensor,
    ids: torch.Tensor,
    multipliers: torch.Tensor,
    report: torch.Tensor,
    epsilon: torch.Tensor,
    lr: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return (lagrangian, slacks, before); errors go to `report`."""
    device = _Device(losses, "losses")
    slacks, before = torch.empty_like(losses), torch.empty_like(losses)
    lagrangian = _empty(losses, (1,), torch.float64)
    latest = torch.empty_like(report)
    device.module.dual_ascent_losses(
        device.array(losses, "losses"),
        device.array(dual_losses, "dual_losses"),
        device.array(ids, "ids"),
        device.array(multipliers, "multipliers"),
        device.number_or_array(epsilon, "epsilon"),
        lr,
        device.array(slacks, "slacks"),
        device.array(before, "before"),
        device.array(lagrangian, "lagrangian"),
        device.array(latest, "found"),
    )
    _keep_first(report, latest)
    return lagrangian[0].float(), slacks, before


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
    device = _Device(outputs, "outputs")
    answer = torch.empty_like(outputs, memory_format=torch.contiguous_format)
    # The core takes the scale from the host. Only float16, which underflows without it, waits.
    waits = outputs.dtype == torch.float16
    device.module.dual_ascent_gradient(
        device.array(outputs, "outputs"),
        device.array(targets, "targets"),
        device.array(losses, "losses"),
        device.array(log_sum_exp, "log_sum_exp") if loss == "cross_entropy" else None,
        device.array(before, "before"),
        device.array(answer, "answer"),
        float(scale) if waits else 1.0,
        loss=loss,
        bf16=outputs.dtype == torch.bfloat16,
    )
    return answer if waits else answer.mul_(scale)


def raise_report(report: torch.Tensor) -> None:
    """Raise the first error since the last call and clear it; waits for the GPU."""
    try:
        nonfinite, first = check_report(report.cpu().numpy())
    finally:
        report.zero_()
    if nonfinite:
        raise NonFiniteLossError("the loss, slack or multiplier is not finite", [first])


def _keep_first(report: torch.Tensor, latest: torch.Tensor) -> None:
    trouble = (report[0] | report[2]) != 0
    report.copy_(torch.where(trouble, report, latest))


def _empty(like: torch.Tensor, shape: tuple[int, ...], dtype: Any) -> torch.Tensor:
    return like.new_empty(shape, dtype=dtype)


class _Device:
    """Pass tensors to the core on torch's current stream."""

    def __init__(self, tensor: torch.Tensor, name: str) -> None:
        self.module = _module(tensor)
        self._device, self._name = tensor.device, name
        self._stream = _current_stream(self.module, tensor)

    def array(self, tensor: torch.Tensor, name: str) -> Any:
        if tensor.device != self._device:
            raise ValueError(f"{name}: on {tensor.device}, but {self._name} are on {self._device}")
        dtype = str(tensor.dtype).removeprefix("torch.")
        size = tensor.element_size()
        return self.module.DeviceArray.foreign(
            tensor.data_ptr(),
            tuple(tensor.shape),
            [stride * size for stride in tensor.stride()],
            "uint16" if dtype == "bfloat16" else dtype,
            self._stream,
            tensor,
        )

    def number_or_array(self, tensor: torch.Tensor, name: str) -> Any:
        return float(tensor) if tensor.dim() == 0 else self.array(tensor, name)


def _module(tensor: torch.Tensor) -> Any:
    try:
        module: Any = cuda_module()
    except RuntimeError as error:
        raise RuntimeError(f"outputs: on {tensor.device}, but {error}") from None
    if not hasattr(module, "dual_ascent"):
        raise RuntimeError(
            f"outputs: on {tensor.device}, but the CUDA module of this installation has no "
            "dual_ascent; compute the Lagrangian on the CPU: outputs.cpu()"
        )
    return module


def _current_stream(module: Any, tensor: torch.Tensor) -> Any:
    current = torch.cuda.current_stream(tensor.device).cuda_stream
    return module.Stream.foreign(tensor.device.index, current)
