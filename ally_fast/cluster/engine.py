"""The contract of k-means engines: native on CPU and GPU, FAISS, scikit-learn."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ally_fast.cluster.fit import Fit, FitOptions
from ally_fast.cluster.training import Draw
from ally_fast.pools.pool import Pool
from ally_fast.rows import Rows


class Shortlister(Protocol):
    """Collects the best rows of each cluster on the device that assigned them."""

    def push(self, assignments: Any, scores: Any, first: int) -> None:
        """Take rows ``first``, ``first + 1``, … with their clusters and scores."""
        ...

    def merge_into(self, shortlist: Any) -> None:
        """Add what was collected to a `Shortlist` in host memory."""
        ...


class Assigner(Protocol):
    """Assigns rows to its centroids, on one device.

    Attributes
    ----------
    device : str
        "cpu" or "cuda:N".
    """

    device: str

    def __call__(self, rows: Rows, eligible: NDArray[np.bool_] | None) -> Any:
        """Return the cluster of each row as int32, in the memory of its device.

        The cluster is -1 for a row that is not eligible or not finite.
        """
        ...

    def met_nonfinite(self, *, wait: bool) -> bool:
        """Tell whether an eligible row was not finite; without `wait`, as far as is known."""
        ...

    def shortlister(
        self, k: int, b: int, weights: NDArray[np.float64], tie_seed: int | None
    ) -> Shortlister:
        """Return a collector on the same device."""
        ...


class Nearness(Protocol):
    """Tells which rows are near its points; the same for every engine."""

    def __call__(self, rows: Rows, first: int, mask: NDArray[np.bool_] | None) -> Any:
        """Return one boolean for each row, in the memory of its device; see `map_chunks`."""
        ...


class Engine(Protocol):
    """Trains centroids and assigns rows to them.

    Attributes
    ----------
    name : str
        "native", "faiss" or "sklearn".
    device : str
        Where it computes: "cpu", or CUDA devices such as "cuda:0,cuda:1".
    isa : str
        The instruction set of the CPU, or that of the GPU.
    """

    name: str
    device: str
    isa: str

    def training_rows(self, pool: Pool, draw: Draw) -> Any:
        """Draw rows, shape (size, d), float32, in random order, where `fit` wants them."""
        ...

    def fit(self, rows: Any, k: int, options: FitOptions) -> Fit:
        """Train `k` centroids on finite float32 rows, shape (t, d), in random order."""
        ...

    def assigners(self, centroids: NDArray[Any], *, normalize: bool) -> list[Assigner]:
        """Prepare to assign rows to centroids, float32 or float64, shape (k, d).

        Return one assigner for each device.
        """
        ...

    def nearness(self, points: NDArray[Any], radius: float, *, normalize: bool) -> Nearness:
        """Prepare to tell which rows lie within `radius` of one of the points, shape (l, d)."""
        ...
