"""Fast, exact batch selection for active learning (ALLY)."""

from ally_fast._version import __version__
from ally_fast.cluster.frame import PrecisionWarning
from ally_fast.cluster.kmeans import assign, kmeans
from ally_fast.cluster.result import KMeansResult
from ally_fast.selection.info import SelectionInfo
from ally_fast.selection.select import select

__all__ = [
    "KMeansResult",
    "PrecisionWarning",
    "SelectionInfo",
    "__version__",
    "assign",
    "kmeans",
    "select",
]
