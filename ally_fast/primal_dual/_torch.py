"""The one place that imports torch. Without it, the error says what to install."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ally_fast._optional import require

if TYPE_CHECKING:
    import torch
else:
    torch = require("torch", "torch", "primal-dual training")

__all__ = ["torch"]
