"""Slow oracles of the fast operations: plain NumPy, one file per operation, for the tests.

It imports nothing of ``ally_fast``.
"""

from . import dual_ascent
from .assign import assign
from .centroid_update import centroid_update
from .cluster_sums import cluster_sums
from .d2_sample import d2_probabilities, d2_sample
from .d2_sample_outer import outer_rows
from .feature_grid import feature_grid
from .halve import Halves, halve
from .herding import herding
from .k_center_greedy import k_center_greedy
from .philox import philox4x32
from .radius_filter import radius_filter
from .relocate import Relocated, relocate
from .sample_rows import sample_rows
from .select import Batch, select
from .shortlist import ranks_in_cluster, shortlist
from .squared_distance import (
    normalize_rows,
    paired_squared_distance,
    squared_distance,
    sum_of_squares,
    unit_centroids,
)
from .tie_order import tie_place
from .typical_rows import typical_rows

__all__ = [
    "Batch",
    "Halves",
    "Relocated",
    "assign",
    "centroid_update",
    "cluster_sums",
    "d2_probabilities",
    "d2_sample",
    "dual_ascent",
    "feature_grid",
    "halve",
    "herding",
    "k_center_greedy",
    "normalize_rows",
    "outer_rows",
    "paired_squared_distance",
    "philox4x32",
    "radius_filter",
    "ranks_in_cluster",
    "relocate",
    "sample_rows",
    "select",
    "shortlist",
    "squared_distance",
    "sum_of_squares",
    "tie_place",
    "typical_rows",
    "unit_centroids",
]
