"""scikit-learn as an engine."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.cluster.engine import Assigner
from ally_fast.cluster.fit import Fit, FitOptions
from ally_fast.cluster.frame import Frame
from ally_fast.cluster.host_engine import HostAssigner, HostEngine
from ally_fast.cluster.loaded_rows import in_float32, loaded, unit_rows
from ally_fast.cluster.magnitude import check_float32_squares
from ally_fast.rows import Rows


class SklearnEngine(HostEngine):
    """``sklearn.cluster.KMeans`` with one run from a k-means++ start."""

    name = "sklearn"

    def __init__(self) -> None:
        super().__init__()
        require("sklearn", "sklearn", "engine='sklearn'")

    def fit(self, rows: NDArray[np.float32], k: int, options: FitOptions) -> Fit:
        """Train centroids; ``options.tol`` limits how far they move, as in scikit-learn."""
        check_float32_squares(self.name, "embeddings", rows, sums=len(rows))
        cluster = require("sklearn.cluster", "sklearn", "engine='sklearn'")
        exceptions = require("sklearn.exceptions", "sklearn", "engine='sklearn'")
        kmeans = cluster.KMeans(
            k,
            init="k-means++" if options.start is None else options.start,
            n_init=1,
            max_iter=options.max_iter,
            tol=options.tol,
            random_state=options.seed % (1 << 32),
        )
        with warnings.catch_warnings():
            # Fewer distinct rows than clusters is a case we handle, not one to warn of.
            warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
            kmeans.fit(rows)
        options.advance(int(kmeans.n_iter_))
        centroids = np.ascontiguousarray(kmeans.cluster_centers_, np.float32)
        if options.normalize:
            centroids = unit_rows(centroids)
        return Fit(centroids, float(kmeans.inertia_), int(kmeans.n_iter_))

    def assigners(self, centroids: NDArray[Any], *, normalize: bool) -> list[Assigner]:
        """Keep the centroids."""
        narrow, frame = in_float32(centroids)
        check_float32_squares(self.name, "centroids", narrow, vanish=False)
        return [HostAssigner(SklearnSearch(narrow, frame), normalize)]


class SklearnSearch:
    """Nearest centroids as scikit-learn computes them, in float32."""

    def __init__(self, centroids: NDArray[np.float32], frame: Frame | None) -> None:
        self._centroids = centroids
        self._frame = frame

    def __call__(self, rows: Rows) -> tuple[NDArray[np.int32], bool]:
        """Return each row's nearest centroid."""
        matrix, finite = loaded(rows, self._frame)
        if not finite or not len(matrix):
            return np.full(len(matrix), -1, np.int32), finite
        several = len(self._centroids) > 1
        check_float32_squares("sklearn", "embeddings", matrix, self._centroids, vanish=several)
        metrics = require("sklearn.metrics", "sklearn", "engine='sklearn'")
        return metrics.pairwise_distances_argmin(matrix, self._centroids).astype(np.int32), True
