"""Where torch computes."""

from __future__ import annotations

from typing import Any

from ally_fast.primal_dual._torch import torch


def checked_device(device: Any) -> torch.device:
    """Return a device of torch that is there.

    Raises
    ------
    ValueError
        If there is none of that name here.
    """
    try:
        torch_device = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device: got {device!r}, needs one of torch's, such as 'cpu' or 'cuda:0'"
        ) from error
    if torch_device.type == "cuda" and (torch_device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device: got {device!r}, torch finds {torch.cuda.device_count()} GPUs")
    return torch_device


def device_of_model(model: torch.nn.Module) -> torch.device:
    """Return where the parameters are; the CPU for a model without any."""
    for parameter in model.parameters():
        return parameter.device
    return torch.device("cpu")
