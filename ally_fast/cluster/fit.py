"""What an engine's training returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Fit:
    """Centroids, shape (k, d); inertia of the training rows; iterations over all of them."""

    centroids: NDArray[np.float32]
    inertia: float
    n_iter: int
