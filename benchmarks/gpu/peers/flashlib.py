"""flashlib (Triton; CuTe DSL where its package is installed). Written against 0.4.0.

``flashlib.KMeans`` at its defaults: all rows, random start, 25 iterations, tolerance 1e-8, Triton.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class FlashlibPeer:
    """``flashlib.KMeans`` and its assignment kernel."""

    given = ""

    def __init__(self, torch: Any) -> None:
        from flashlib.applications.kmeans import KMeans
        from flashlib.primitives.kmeans import euclid_assign_triton

        self._model_type, self._assign = KMeans, euclid_assign_triton
        self._model: Any = None

    def prepare(self, rows: Any) -> Any:
        """Take rows as they are."""
        return rows

    def assigner(self, rows: Any, centroids: Any, dtype: str) -> Callable[[], Any]:
        """Label rows with the kernel alone."""
        table, batch = centroids.to(rows.dtype)[None], rows[None]
        return lambda: self._assign(batch, table)[0]

    def fit(self, rows: Any, k: int, iterations: int | None) -> tuple[Any, Any]:
        """Train on all rows; the labels are of the last iteration."""
        options = {} if iterations is None else {"niter": iterations}
        self._model = self._model_type(rows.shape[1], k, **options)
        labels = self._model.fit_predict(rows)
        return labels, self._model.centroids_b[0]

    def predict(self, rows: Any, centroids: Any) -> Any:
        """Label rows by the centroids trained last."""
        return self._model.predict(rows)
