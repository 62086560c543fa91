"""FAISS as an engine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import _settings
from ally_fast._optional import require
from ally_fast.cluster.engine import Assigner
from ally_fast.cluster.fit import Fit, FitOptions
from ally_fast.cluster.frame import Frame
from ally_fast.cluster.host_engine import HostAssigner, HostEngine
from ally_fast.cluster.loaded_rows import in_float32, loaded, unit_rows
from ally_fast.cluster.magnitude import check_float32_squares
from ally_fast.device import device_number
from ally_fast.pools.chunks import chunks
from ally_fast.rows import Rows

# FAISS does not hear Ctrl-C within a search, so a search is cut into pieces. Each has a multiple of
# the rows that FAISS takes at a time, and about this many multiplications.
_FAISS_ROWS = 4096
_WORK = 1 << 32


class FaissEngine(HostEngine):
    """``faiss.Kmeans`` and a flat index, on the GPUs that the installed FAISS sees, or on the CPU.

    FAISS has no tolerance: it always runs `max_iter` iterations. Rows whose squared distances do
    not fit into float32 are refused, because FAISS would end the process or lose rows.

    Parameters
    ----------
    devices : tuple of str
        With ``("cpu",)``, FAISS uses GPUs if it sees some. CUDA devices: FAISS must see them.

    Raises
    ------
    RuntimeError
        If you ask for a GPU, and the installed FAISS sees too few.
    """

    name = "faiss"

    def __init__(self, devices: tuple[str, ...] = ("cpu",)) -> None:
        super().__init__(devices)
        self._faiss = require("faiss", "faiss", "engine='faiss'")
        needed = 1 + max((device_number(name) for name in devices if name != "cpu"), default=-1)
        if self._gpus() < needed:
            raise RuntimeError(
                f"device: got {','.join(devices)!r} with engine='faiss', but the installed FAISS "
                f"sees {self._gpus()} GPUs; needs faiss-gpu"
            )

    def fit(self, rows: NDArray[np.float32], k: int, options: FitOptions) -> Fit:
        """Train centroids on all rows; ``options.tol`` has no effect."""
        if options.max_iter >= 1 << 31:
            raise ValueError(f"max_iter: got {options.max_iter}, FAISS needs less than 2**31")
        check_float32_squares(self.name, "embeddings", rows, sums=len(rows))
        self._faiss.omp_set_num_threads(_settings.threads())
        kmeans = self._faiss.Kmeans(
            rows.shape[1],
            k,
            niter=options.max_iter,
            seed=options.seed % (1 << 31),
            spherical=options.normalize,
            min_points_per_centroid=1,
            max_points_per_centroid=len(rows),
            gpu=self._gpus() > 0,
        )
        kmeans.train(rows, init_centroids=options.start)
        options.advance(options.max_iter)
        centroids = np.ascontiguousarray(kmeans.centroids, np.float32).reshape(k, rows.shape[1])
        if options.normalize:
            centroids = unit_rows(centroids)
        return Fit(centroids, float(kmeans.obj[-1]), options.max_iter)

    def assigners(self, centroids: NDArray[Any], *, normalize: bool) -> list[Assigner]:
        """Build a flat index over the centroids."""
        narrow, frame = in_float32(centroids)
        check_float32_squares(self.name, "centroids", narrow, vanish=False)
        index = self._faiss.IndexFlatL2(centroids.shape[1])
        if self._gpus() > 0:
            index = self._faiss.index_cpu_to_all_gpus(index)
        index.add(narrow)
        return [HostAssigner(FaissSearch(index, narrow, frame), normalize)]

    def _gpus(self) -> int:
        return int(getattr(self._faiss, "get_num_gpus", int)())


class FaissSearch:
    """Nearest centroids as FAISS computes them, in float32."""

    def __init__(self, index: Any, centroids: NDArray[np.float32], frame: Frame | None) -> None:
        self._index = index
        self._centroids = centroids
        self._frame = frame
        work = index.ntotal * index.d * _FAISS_ROWS
        self._piece = _FAISS_ROWS * max(1, _WORK // work)

    def __call__(self, rows: Rows) -> tuple[NDArray[np.int32], bool]:
        """Return each row's nearest centroid."""
        matrix, finite = loaded(rows, self._frame)
        if not finite or not len(matrix):
            return np.full(len(matrix), -1, np.int32), finite
        several = len(self._centroids) > 1
        check_float32_squares("faiss", "embeddings", matrix, self._centroids, vanish=several)
        nearest = np.empty(len(matrix), np.int32)
        for lo, hi in chunks(len(matrix), self._piece):
            nearest[lo:hi] = self._index.search(matrix[lo:hi], 1)[1][:, 0]
        return nearest, True
