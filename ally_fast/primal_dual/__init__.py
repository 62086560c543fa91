"""From a labeled set to multipliers, and from multipliers to dual scores. Needs torch.

The names below are imported when they are first used, so that this package can be imported, and
says what to install, where torch is absent.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ally_fast.primal_dual.dual_head import DualHead, DualHeadFit, DualHeadWarning
    from ally_fast.primal_dual.dual_variables import DualStep, DualVariables
    from ally_fast.primal_dual.embeddings import embed
    from ally_fast.primal_dual.nonfinite import NonFiniteLossError
    from ally_fast.primal_dual.ranks import rank_correlation
    from ally_fast.primal_dual.trained import EpochRecord, TrainedModel
    from ally_fast.primal_dual.trainer import PrimalDualTrainer

_HOMES = {
    "DualHead": "dual_head",
    "DualHeadFit": "dual_head",
    "DualHeadWarning": "dual_head",
    "DualStep": "dual_variables",
    "DualVariables": "dual_variables",
    "EpochRecord": "trained",
    "NonFiniteLossError": "nonfinite",
    "PrimalDualTrainer": "trainer",
    "TrainedModel": "trained",
    "embed": "embeddings",
    "rank_correlation": "ranks",
}

__all__ = [
    "DualHead",
    "DualHeadFit",
    "DualHeadWarning",
    "DualStep",
    "DualVariables",
    "EpochRecord",
    "NonFiniteLossError",
    "PrimalDualTrainer",
    "TrainedModel",
    "embed",
    "rank_correlation",
]


def __getattr__(name: str) -> Any:
    """Import a name from the file it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
