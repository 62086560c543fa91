"""FAISS on the GPU. Written against faiss-gpu 1.15.1.

``faiss.Kmeans(gpu=1)`` at its defaults: it draws 256 rows per centroid itself, random start, 25
iterations, from float32 rows in host memory: it is given those, copied off the clock; a recipe's
sample is drawn on the device and copied on the clock. Rows on the device are then searched where
they are (``search_ex``). Torch must be imported and initialised before FAISS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class FaissPeer:
    """``faiss.Kmeans`` and ``faiss.GpuIndexFlatL2``."""

    given = "float32 rows in host memory to train on"

    def __init__(self, torch: Any) -> None:
        import faiss

        if not getattr(faiss, "get_num_gpus", int)():
            raise RuntimeError(f"faiss {faiss.__version__} sees no GPU")
        self._torch, self._faiss = torch, faiss
        self._resources = faiss.StandardGpuResources()
        self._pool = self._pool_on_host = None
        self._same_answer_as_on_the_cpu()

    def _same_answer_as_on_the_cpu(self) -> None:
        """Compare a small search with CPU FAISS before anything is timed."""
        generator = np.random.default_rng(1)
        rows, points = (generator.standard_normal((n, 64), dtype=np.float32) for n in (2000, 50))
        index = self._faiss.IndexFlatL2(64)
        index.add(points)
        there = self._torch.from_numpy(rows).cuda()
        found = self.predict(there, self._torch.from_numpy(points).cuda()).cpu().numpy()
        same = np.mean(found == index.search(rows, 1)[1][:, 0])
        if same < 0.999:
            raise RuntimeError(f"{100 * (1 - same):.1f} % of its answers differ from CPU FAISS")

    def prepare(self, rows: Any) -> Any:
        """Copy rows to the host, in float32; those on the device stay for the search."""
        self._pool, self._pool_on_host = rows, self.host(rows)
        return rows

    def host(self, rows: Any) -> np.ndarray:
        """Copy rows to the host, in float32."""
        return rows.float().cpu().numpy()

    def _index(self, centroids: Any) -> Any:
        index = self._faiss.GpuIndexFlatL2(self._resources, centroids.shape[1])
        index.add(np.ascontiguousarray(centroids.float().cpu().numpy()))
        return index

    def _search(self, index: Any, rows: Any) -> Any:
        faiss, torch = self._faiss, self._torch
        n = len(rows)
        distances = torch.empty(n, 1, dtype=torch.float32, device=rows.device)
        labels = torch.empty(n, 1, dtype=torch.int64, device=rows.device)
        stream = faiss.cast_integer_to_cudastream_t(torch.cuda.current_stream().cuda_stream)
        self._resources.setDefaultStream(torch.cuda.current_device(), stream)
        half = rows.dtype == torch.float16
        kind = faiss.Float16 if half else faiss.Float32
        cast = faiss.cast_integer_to_void_ptr if half else faiss.cast_integer_to_float_ptr
        index.search_ex(
            n,
            cast(rows.data_ptr()),
            kind,
            1,
            faiss.cast_integer_to_float_ptr(distances.data_ptr()),
            faiss.cast_integer_to_idx_t_ptr(labels.data_ptr()),
        )
        return labels[:, 0]

    def assigner(self, rows: Any, centroids: Any, dtype: str) -> Callable[[], Any]:
        """Search a flat index of the centroids with device rows."""
        self.given = "the index of the centroids"
        index = self._index(centroids)
        return lambda: self._search(index, rows)

    def fit(self, rows: Any, k: int, iterations: int | None) -> tuple[Any, Any]:
        """Train; by default it draws its sample itself."""
        options = {} if iterations is None else {"niter": iterations}
        rows = self._pool_on_host if rows is self._pool else self.host(rows)
        model = self._faiss.Kmeans(rows.shape[1], k, gpu=1, **options)
        model.train(rows)
        return None, self._torch.from_numpy(model.centroids.copy()).cuda()

    def predict(self, rows: Any, centroids: Any) -> Any:
        """Label rows, on the device or in host memory."""
        index = self._index(centroids)
        if not rows.is_cuda:
            host = self._pool_on_host if rows is self._pool else self.host(rows)
            labels = index.search(host, 1)[1][:, 0]
            return self._torch.from_numpy(labels).cuda()
        return self._search(index, rows)
