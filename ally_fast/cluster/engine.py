"""k-means engines: native, FAISS, scikit-learn, behind one contract."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ally_fast import checks
from ally_fast.cluster.fit import Fit, FitOptions
from ally_fast.pools.pool import Rows

ENGINES = ("auto", "native", "faiss", "sklearn")


class Assigner(Protocol):
    """Assigns rows to the centroids it was made with."""

    def __call__(
        self, rows: Rows, positions: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.int32], bool]:
        """Return the cluster of each row (of ``rows[positions]``), and whether all are finite."""
        ...


class Engine(Protocol):
    """Trains centroids and assigns rows to them."""

    name: str

    def fit(self, rows: NDArray[np.float32], k: int, options: FitOptions) -> Fit:
        """Train `k` centroids on finite float32 rows, shape (t, d), in random order."""
        ...

    def assigner(self, centroids: NDArray[np.float32], *, normalize: bool) -> Assigner:
        """Prepare centroids, shape (k, d), for assigning rows to them."""
        ...


def choose_engine(name: Any) -> Engine:
    """Return the engine of that name; "auto" is the native one.

    Raises
    ------
    ValueError
        If there is no engine of that name.
    ImportError
        If its package is not installed; names the extra that brings it.
    """
    checks.choice(name, "engine", ENGINES)
    if name == "faiss":
        from ally_fast.cluster.faiss_engine import FaissEngine

        return FaissEngine()
    if name == "sklearn":
        from ally_fast.cluster.sklearn_engine import SklearnEngine

        return SklearnEngine()
    from ally_fast.cluster.native_engine import NativeEngine

    return NativeEngine()
