"""Fast, exact batch selection for active learning (ALLY).

The names below are imported when they are first used, so that ``ally-fast`` answers Ctrl-C from its
first moment on.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ally_fast._version import __version__

if TYPE_CHECKING:
    from ally_fast.cluster.kmeans import assign, kmeans
    from ally_fast.cluster.result import KMeansResult
    from ally_fast.selection.info import SelectionInfo
    from ally_fast.selection.select import select

_HOMES = {
    "KMeansResult": "cluster.result",
    "SelectionInfo": "selection.info",
    "assign": "cluster.kmeans",
    "kmeans": "cluster.kmeans",
    "select": "selection.select",
}

__all__ = ["KMeansResult", "SelectionInfo", "__version__", "assign", "kmeans", "select"]


def __getattr__(name: str) -> Any:
    """Import a name from the file it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return all names, imported or not."""
    return sorted({*globals(), *_HOMES})
