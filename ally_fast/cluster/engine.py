"""k-means engines: native on CPU and GPU, FAISS, scikit-learn, behind one contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ally_fast import checks
from ally_fast.cluster.fit import Fit, FitOptions
from ally_fast.cluster.frame import Frame
from ally_fast.pools.pool import Pool, Rows

if TYPE_CHECKING:
    from ally_fast._cuda import Stream

ENGINES = ("auto", "native", "faiss", "sklearn")


class Shortlister(Protocol):
    """Collects each cluster's best rows where they were assigned."""

    def push(self, assignments: Any, scores: Any, first: int) -> None:
        """Take rows ``first``, ``first + 1``, … with their clusters and scores."""
        ...

    def merge_into(self, shortlist: Any) -> None:
        """Add what was collected to a `Shortlist` in host memory."""
        ...


class Assigner(Protocol):
    """Assigns rows to the centroids it was made with, on one device.

    Attributes
    ----------
    device : str
        "cpu" or "cuda:N".
    """

    device: str

    def __call__(self, rows: Rows, eligible: NDArray[np.bool_] | None) -> Any:
        """Return each row's cluster as int32 where the rows were worked on.

        -1 for a row that is not eligible or not finite.
        """
        ...

    def met_nonfinite(self, *, wait: bool) -> bool:
        """Tell whether an eligible row was not finite; without `wait` as far as is known."""
        ...

    def shortlister(self, k: int, b: int, weights: NDArray[np.float64]) -> Shortlister:
        """Return a collector on the same device."""
        ...


class Nearness(Protocol):
    """Tells which rows lie near the points it was made with; the same for every engine."""

    def __call__(self, rows: Rows) -> Any:
        """Return one boolean a row, where the rows were worked on."""
        ...


class Engine(Protocol):
    """Trains centroids and assigns rows to them.

    Attributes
    ----------
    name : str
        "native", "faiss" or "sklearn".
    isa : str
        What computes: the CPU's instruction set, or the GPU's.
    """

    name: str
    isa: str

    def training_rows(
        self,
        pool: Pool,
        size: int,
        *,
        seed: int,
        eligible: NDArray[np.bool_] | None,
        normalize: bool,
        frame: Frame | None,
        progress: bool,
    ) -> Any:
        """Draw `size` rows, shape (size, d), float32, in random order, where `fit` wants them.

        With a `frame` their coordinates in it.
        """
        ...

    def fit(self, rows: Any, k: int, options: FitOptions) -> Fit:
        """Train `k` centroids on finite float32 rows, shape (t, d), in random order."""
        ...

    def assigners(self, centroids: NDArray[Any], *, normalize: bool) -> list[Assigner]:
        """Prepare centroids, float32 or float64, shape (k, d), for assigning rows to them.

        One for each device.
        """
        ...

    def nearness(self, points: NDArray[Any], radius: float, *, normalize: bool) -> Nearness:
        """Prepare points, shape (l, d), for telling which rows lie within `radius` of one."""
        ...


def choose_engine(
    name: Any, devices: tuple[str, ...] = ("cpu",), stream: Stream | None = None
) -> Engine:
    """Return the engine of that name on these devices; "auto" is the native one.

    `stream` is that of embeddings in device memory, None for those in host memory.

    Raises
    ------
    ValueError
        If there is no engine of that name, or not on these devices.
    ImportError
        If its package is not installed; names the extra that brings it.
    """
    checks.choice(name, "engine", ENGINES)
    if name in ("auto", "native"):
        return _native(devices, stream)
    if stream is not None:
        raise ValueError(
            f"engine: got {name!r}, which takes rows in host memory, but the embeddings are on "
            f"{devices[0]}"
        )
    if name == "faiss":
        from ally_fast.cluster.faiss_engine import FaissEngine

        return FaissEngine(devices)
    if devices != ("cpu",):
        raise ValueError(f"engine: got 'sklearn', which computes on the CPU, not on {devices[0]}")
    from ally_fast.cluster.sklearn_engine import SklearnEngine

    return SklearnEngine()


def _native(devices: tuple[str, ...], stream: Stream | None) -> Engine:
    if devices == ("cpu",):
        from ally_fast.cluster.native_engine import NativeEngine

        return NativeEngine()
    from ally_fast.cluster.cuda_engine import CudaEngine

    return CudaEngine(devices, stream)
