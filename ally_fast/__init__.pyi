from ._version import __version__
from .cluster.frame import PrecisionWarning
from .cluster.kmeans import assign, kmeans
from .cluster.result import KMeansResult
from .selection.info import SelectionInfo
from .selection.select import select

__all__ = [
    "KMeansResult",
    "PrecisionWarning",
    "SelectionInfo",
    "__version__",
    "assign",
    "kmeans",
    "select",
]
