"""fastkmeans (torch and Triton). Written against 0.5.0.

``FastKMeans`` at its defaults: all rows, random start, 25 iterations, computes in float16. It
takes float32 rows in host memory only and sends them each iteration: it is given those, copied
off the clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class FastKMeansPeer:
    """``fastkmeans.FastKMeans`` and its assignment kernel."""

    given = "float32 rows in host memory"

    def __init__(self, torch: Any) -> None:
        from fastkmeans import FastKMeans
        from fastkmeans.triton_kernels import triton_kmeans

        self._torch, self._model_type, self._assign = torch, FastKMeans, triton_kmeans
        self._model: Any = None

    def prepare(self, rows: Any) -> Any:
        """Copy rows to the host, in float32."""
        return rows.float().cpu().numpy() if hasattr(rows, "cpu") else rows

    def assigner(self, rows: Any, centroids: Any, dtype: str) -> Callable[[], Any]:
        """Label device rows with the kernel alone."""
        torch, self.given = self._torch, "squared norms of the rows"
        norms = torch.cat([part.float().square().sum(1) for part in rows.split(1 << 20)])
        table = centroids.to(rows.dtype).contiguous()
        labels = torch.zeros(len(rows), dtype=torch.int64, device=rows.device)

        def call() -> Any:
            self._assign(rows, norms, table, table.float().square().sum(1), labels)
            return labels

        return call

    def fit(self, rows: Any, k: int, iterations: int | None) -> tuple[Any, Any]:
        """Train on all rows; it keeps no labels."""
        rows = self.prepare(rows)
        options = {} if iterations is None else {"niter": iterations}
        self._model = self._model_type(rows.shape[1], k, **options)
        self._model.train(rows)
        return None, self._torch.from_numpy(self._model.centroids).cuda()

    def predict(self, rows: Any, centroids: Any) -> Any:
        """Label host rows by the centroids trained last."""
        return self._torch.from_numpy(self._model.predict(rows)).cuda()
