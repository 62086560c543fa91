"""Where torch enters; whoever imports a file of this package without it is told what to install."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ally_fast._optional import require

if TYPE_CHECKING:
    import torch
else:
    torch = require("torch", "experiments", "an experiment")

__all__ = ["torch"]
