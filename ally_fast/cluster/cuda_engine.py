"""The native engine on GPUs: it gives the answers of the CPU, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import _cuda
from ally_fast._cuda import DeviceArray, Stream
from ally_fast.cluster.averages import fit_by_averages
from ally_fast.cluster.cuda_assigner import CudaAssigner
from ally_fast.cluster.cuda_feed import upload
from ally_fast.cluster.cuda_nearness import CudaNearness
from ally_fast.cluster.engine import Assigner
from ally_fast.cluster.fit import Fit, FitOptions
from ally_fast.cluster.training import Draw, training_rows
from ally_fast.device import device_number
from ally_fast.memory import to_host
from ally_fast.ops.sample_rows import sample_rows_on_device
from ally_fast.pools.device_pool import DevicePool
from ally_fast.pools.finite import nonfinite_error
from ally_fast.pools.pool import Pool


class CudaEngine:
    """The k-means of this package on CUDA devices; it trains on the first of them.

    Parameters
    ----------
    devices : tuple of str
        "cuda:N", distinct.
    stream : Stream, optional
        Stream to work on, on the first device: the caller's current one. By default a new one.
    """

    name = "native"

    def __init__(self, devices: tuple[str, ...], stream: Stream | None = None) -> None:
        self.device = ",".join(devices)
        self._streams = [Stream(device_number(name)) for name in devices[1:]]
        self._streams.insert(0, stream or Stream(device_number(devices[0])))
        major, minor = _cuda.devices()[self._streams[0].device]["compute_capability"]
        self.isa = f"sm_{major}{minor}"

    def training_rows(self, pool: Pool, draw: Draw) -> DeviceArray:
        """Draw rows where they are, and copy them to the first device."""
        stream = self._streams[0]
        if not isinstance(pool, DevicePool):
            return upload(training_rows(pool, draw), stream)
        sample = sample_rows_on_device(pool.n, draw.size, draw.seed, stream, draw.eligible)
        frame, matrix = draw.frame, DeviceArray.empty((draw.size, pool.d), np.float32, stream)
        not_finite = upload(np.zeros(1, np.int32), stream)
        _cuda.load_rows(
            pool.rows.array,
            matrix,
            None,
            not_finite,
            **pool.rows.seen(draw.normalize, sample).view,
            shift=None if frame is None else upload(frame.shift, stream),
            scale=1.0 if frame is None else frame.scale,
        )
        if not_finite.to_host()[0]:
            raise nonfinite_error(pool, draw.eligible)
        return matrix

    def fit(self, rows: DeviceArray, k: int, options: FitOptions) -> Fit:
        """Train centroids; see `fit_by_averages`."""
        fit = fit_by_averages(rows, k, options)
        return replace(fit, centroids=to_host(fit.centroids))

    def assigners(self, centroids: NDArray[Any], *, normalize: bool) -> list[Assigner]:
        """Pack the centroids on every device."""
        return [CudaAssigner(centroids, normalize, stream) for stream in self._streams]

    def nearness(self, points: NDArray[Any], radius: float, *, normalize: bool) -> CudaNearness:
        """Pack the points on the first device."""
        return CudaNearness(points, radius, normalize, self._streams[0])
