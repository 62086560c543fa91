"""Devices of torch."""

from __future__ import annotations

from typing import Any

from ally_fast.primal_dual._torch import torch


def checked_device(device: Any) -> torch.device:
    """Return an existing torch device.

    Raises
    ------
    ValueError
        If this machine has no such device.
    """
    try:
        torch_device = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device: got {device!r}, needs a device of torch, such as 'cpu' or 'cuda:0'"
        ) from error
    if torch_device.type == "cuda" and (torch_device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device: got {device!r}, but torch finds {torch.cuda.device_count()} GPUs"
        )
    return torch_device


def device_of_model(model: torch.nn.Module) -> torch.device:
    """Return the device of a model's parameters, or the CPU if it has none."""
    for parameter in model.parameters():
        return parameter.device
    return torch.device("cpu")
