"""Where the work is done."""

from __future__ import annotations

import re
from typing import Any

_PATTERN = re.compile(r"auto|cpu|cuda(:\d+)?")


def choose_device(device: Any) -> str:
    """Return the device that will compute: "cpu" in this version.

    Raises
    ------
    ValueError
        If `device` is not "auto", "cpu", "cuda" or "cuda:N".
    RuntimeError
        If a GPU is asked for: it never falls back silently.
    """
    if not isinstance(device, str) or not _PATTERN.fullmatch(device):
        raise ValueError(f"device: got {device!r}, needs 'auto', 'cpu', 'cuda' or 'cuda:N'")
    if device.startswith("cuda"):
        raise RuntimeError(
            f"device: got {device!r}, but this version computes on the CPU only; "
            "needs 'cpu' or 'auto'"
        )
    return "cpu"
