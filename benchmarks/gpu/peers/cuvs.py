"""cuVS k-means. Written against cuvs-cu13 26.6.0.

``cuvs.cluster.kmeans`` at its defaults: all rows, k-means|| start, at most 300 iterations,
tolerance 1e-4. float32 only: float16 rows are converted off the clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class CuvsPeer:
    """``cuvs.cluster.kmeans.fit`` and ``predict``."""

    given = "float32 rows"

    def __init__(self, torch: Any) -> None:
        from cuvs.cluster import kmeans

        self._torch, self._kmeans = torch, kmeans
        self.n_iter: int | None = None

    def prepare(self, rows: Any) -> Any:
        """Convert to float32; NumPy in host memory, which it streams."""
        return rows.float() if rows.is_cuda else rows.float().numpy()

    def assigner(self, rows: Any, centroids: Any, dtype: str) -> Callable[[], Any]:
        """Label device rows."""
        wide, table = self.prepare(rows), centroids.float().contiguous()
        return lambda: self.predict(wide, table)

    def fit(self, rows: Any, k: int, iterations: int | None) -> tuple[Any, Any]:
        """Train on all rows."""
        options = {} if iterations is None else {"max_iter": iterations, "tol": 0.0}
        parameters = self._kmeans.KMeansParams(n_clusters=k, **options)
        self._torch.cuda.synchronize()
        found = self._kmeans.fit(parameters, rows)
        self.n_iter = int(found.n_iter)
        return None, self._torch.as_tensor(found.centroids, device="cuda").clone()

    def predict(self, rows: Any, centroids: Any) -> Any:
        """Label device rows, host rows after one copy; its own stream waits for torch's."""
        rows = self._torch.as_tensor(rows, device="cuda")
        parameters = self._kmeans.KMeansParams(n_clusters=len(centroids))
        labels = self._torch.empty(len(rows), dtype=self._torch.int32, device="cuda")
        self._torch.cuda.synchronize()
        self._kmeans.predict(parameters, rows, centroids, labels=labels)
        return labels
