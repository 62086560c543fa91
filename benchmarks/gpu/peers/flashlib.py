"""flashlib (Triton; CuTe DSL where its package is installed). Written against 0.4.0.

``flashlib.KMeans`` at its defaults: all rows, random start, 25 iterations, tolerance 1e-8, Triton.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.gpu.peers.flash_kmeans import FlashKMeansPeer


class FlashlibPeer(FlashKMeansPeer):
    """``flashlib.KMeans``, called as ``FlashKMeans`` is, and its assignment kernel."""

    given = ""

    def __init__(self, torch: Any) -> None:
        from flashlib.applications.kmeans import KMeans
        from flashlib.primitives.kmeans import euclid_assign_triton

        self._torch, self._model_type, self._assign = torch, KMeans, euclid_assign_triton
        self._model: Any = None

    def assigner(self, rows: Any, centroids: Any, dtype: str) -> Callable[[], Any]:
        """Label rows with the kernel alone."""
        table, batch = centroids.to(rows.dtype)[None], rows[None]
        return lambda: self._assign(batch, table)[0]
