"""An earlier state of this package, from a checkout of it that is built: ``ALLY_FAST_BEFORE``.

``ally_fast.select`` of the folder that the variable names; the process imports no other.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.outcome import Outcome

FOLDER = os.environ.get("ALLY_FAST_BEFORE", "")


def run(
    rows: np.ndarray, scores: np.ndarray, b: int, k: int, *, threads: int, seed: int = 0
) -> Outcome:
    """Select as `benchmarks.ours` does, with the other package."""
    _use_folder()
    from benchmarks import ours

    return ours.run(rows, scores, b, k, threads=threads, seed=seed)


def cluster_sums(
    rows: np.ndarray, assignments: np.ndarray, centroids: np.ndarray
) -> Callable[[], Any]:
    """Return the call that added rows up: float64 sums about the centroids, and the spread."""
    _use_folder()
    from ally_fast.ops.centroid_update import centroid_update

    old: Any = centroid_update
    return lambda: old(rows, assignments, centroids, normalize=False)


def _use_folder() -> None:
    if not FOLDER:
        raise RuntimeError("ALLY_FAST_BEFORE is not set")
    if "ally_fast" not in sys.modules:
        sys.path.insert(0, FOLDER)


def assign(rows: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Assign every row to its nearest centroid."""
    from benchmarks import ours

    return ours.assign(rows, centroids)
