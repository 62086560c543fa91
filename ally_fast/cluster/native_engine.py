"""The native engine: certified assignment, integer sums, the same answer everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.cluster.averages import fit_by_averages
from ally_fast.cluster.engine import Assigner
from ally_fast.cluster.fit import Fit, FitOptions
from ally_fast.cluster.host_engine import HostAssigner, HostEngine
from ally_fast.ops.assign import assign, packed_points
from ally_fast.rows import Rows


class NativeEngine(HostEngine):
    """The k-means of this package on the CPU."""

    name = "native"

    def fit(self, rows: NDArray[np.float32], k: int, options: FitOptions) -> Fit:
        """Train centroids; see `fit_by_averages`."""
        return fit_by_averages(rows, k, options)

    def assigners(self, centroids: NDArray[Any], *, normalize: bool) -> list[Assigner]:
        """Pack the centroids once."""
        return [HostAssigner(NativeSearch(centroids), normalize)]


class NativeSearch:
    """Exact assignment of rows of any dtype, without copying them."""

    def __init__(self, centroids: NDArray[Any]) -> None:
        self._table = packed_points(centroids)

    def __call__(self, rows: Rows) -> tuple[NDArray[np.int32], bool]:
        """Return each row's nearest centroid."""
        assignments, stats = assign(rows, self._table)
        return assignments, stats.nonfinite == 0
