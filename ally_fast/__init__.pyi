from ._version import __version__
from .cluster.frame import PrecisionWarning
from .cluster.kmeans import assign, kmeans
from .cluster.result import KMeansResult
from .pools.by_id import ById
from .pools.open_pool import open_pool
from .selection.info import SelectionInfo
from .selection.select import select

__all__ = [
    "ById",
    "KMeansResult",
    "PrecisionWarning",
    "SelectionInfo",
    "__version__",
    "assign",
    "kmeans",
    "open_pool",
    "select",
]
