"""Losses of single samples: two named losses, and any callable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from ally_fast.primal_dual._torch import torch

# A name, or (outputs, targets) -> one loss for each sample.
Loss: TypeAlias = str | Callable[[Any, Any], torch.Tensor]

CROSS_ENTROPY, SQUARED_ERROR = "cross_entropy", "squared_error"
NAMED = (CROSS_ENTROPY, SQUARED_ERROR)


def check_loss(loss: Any, name: str) -> Loss:
    """Return `loss` if it is the name of a loss or a callable; else raise ValueError."""
    if callable(loss) or loss in NAMED:
        checked: Loss = loss
        return checked
    raise ValueError(
        f"{name}: got {loss!r}, needs {', '.join(map(repr, NAMED))} or a callable "
        "(outputs, targets) -> losses of shape (m,)"
    )


def arrange(loss: str, outputs: torch.Tensor, targets: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return outputs (m, C), and targets as a named loss needs them.

    Cross-entropy needs classes, int64, (m,). Squared error needs values, (m, C), in float32 or the
    dtype of the outputs. Outputs of more dimensions are flattened; (m,) counts as (m, 1).

    Raises
    ------
    TypeError
        If cross-entropy gets targets that are not integers.
    ValueError
        If shapes disagree.
    """
    if not isinstance(outputs, torch.Tensor) or outputs.dim() == 0:
        raise ValueError(
            f"outputs: got {_describe(outputs)}, needs a tensor with a row for each sample"
        )
    targets = torch.as_tensor(targets, device=outputs.device)
    m = outputs.shape[0]
    if loss == CROSS_ENTROPY:
        if outputs.dim() != 2:
            raise ValueError(f"outputs: got {_describe(outputs)}, cross_entropy needs (m, C)")
        if targets.is_floating_point() or targets.is_complex() or targets.dtype == torch.bool:
            raise TypeError(f"targets: got {targets.dtype}, cross_entropy needs integer classes")
        if targets.shape != (m,):
            raise ValueError(
                f"targets: got {_describe(targets)}, needs one class for each row, ({m},)"
            )
        return outputs, targets.to(torch.int64)
    same = outputs.shape[1:].numel() == targets.shape[1:].numel()
    if targets.dim() == 0 or targets.shape[0] != m or not same:
        raise ValueError(
            f"targets: got {_describe(targets)}, needs as many values as outputs, "
            f"{tuple(outputs.shape)}"
        )
    wide = outputs.shape[1:].numel()
    if targets.dtype != outputs.dtype:
        exact = torch.float64 if outputs.dtype == torch.float64 else torch.float32
        targets = targets.to(exact)
    return outputs.reshape(m, wide), targets.reshape(m, wide)


def per_sample(loss: Loss, outputs: Any, targets: Any, name: str, m: int) -> torch.Tensor:
    """Return the losses of m samples, computed by torch; differentiable."""
    losses: Any
    if loss == CROSS_ENTROPY:
        outputs, targets = arrange(CROSS_ENTROPY, outputs, targets)
        check_classes(targets, outputs.shape[1])
        losses = torch.nn.functional.cross_entropy(outputs, targets, reduction="none")
    elif loss == SQUARED_ERROR:
        outputs, targets = arrange(SQUARED_ERROR, outputs, targets)
        losses = torch.square(outputs - targets).mean(1)
    else:
        assert callable(loss)
        losses = loss(outputs, targets)
    if not isinstance(losses, torch.Tensor) or losses.shape != (m,):
        raise ValueError(
            f"{name}: returned {_describe(losses)}, needs one loss for each sample, ({m},); for a "
            "loss of torch, set reduction='none'"
        )
    if not losses.is_floating_point():
        raise TypeError(f"{name}: returned {losses.dtype}, needs real numbers")
    checked: torch.Tensor = losses
    return checked


def check_classes(targets: torch.Tensor, classes: int) -> None:
    """Raise ValueError unless targets are in ``[0, classes)``; torch would accept -100."""
    wrong = (targets < 0) | (targets >= classes)
    if bool(wrong.any()):
        row = int(wrong.nonzero()[0, 0])
        raise ValueError(f"targets[{row}]: got {int(targets[row])}, needs [0, {classes})")


def _describe(x: Any) -> str:
    shape = getattr(x, "shape", None)
    return type(x).__name__ if shape is None else f"shape {tuple(shape)}"
