"""flash-kmeans (Triton). Written against 0.3.1.

``FlashKMeans`` at its defaults: all rows, random start, 25 iterations, tolerance 1e-8; rows in
host memory are streamed when there are more than 2^20. float32 rows are multiplied in TF32. Its
assignment kernel takes the rows' squared norms, which it gets for nothing here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class FlashKMeansPeer:
    """``flash_kmeans.FlashKMeans`` and its assignment kernel."""

    given = "squared norms of the rows"

    def __init__(self, torch: Any) -> None:
        from flash_kmeans.assign_euclid_triton import euclid_assign_triton
        from flash_kmeans.interface import FlashKMeans

        self._torch, self._model_type, self._assign = torch, FlashKMeans, euclid_assign_triton
        self._model: Any = None

    def prepare(self, rows: Any) -> Any:
        """Take rows as they are."""
        return rows

    def assigner(self, rows: Any, centroids: Any, dtype: str) -> Callable[[], Any]:
        """Label rows with the kernel alone."""
        norms = self._torch.cat([part.square().sum(1) for part in rows.split(1 << 20)])[None]
        table, batch = centroids.to(rows.dtype)[None], rows[None]
        return lambda: self._assign(batch, table, norms)[0]

    def fit(self, rows: Any, k: int, iterations: int | None) -> tuple[Any, Any]:
        """Train on all rows; the labels are of the last iteration."""
        options = {} if iterations is None else {"niter": iterations}
        self._model = self._model_type(rows.shape[1], k, **options)
        labels = self._model.fit_predict(rows)
        return labels, self._model.centroids_b[0]

    def predict(self, rows: Any, centroids: Any) -> Any:
        """Label rows by the centroids trained last."""
        return self._model.predict(rows)
