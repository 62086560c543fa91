"""The result of k-means, and a record of what computed it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ally_fast.record import Record


@dataclass(frozen=True, eq=False)
class KMeansResult(Record):
    """Centroids and a record of their training.

    Attributes
    ----------
    centroids : ndarray of float32 or float64, shape (k, d)
        float64 for embeddings of float64 and of 32 or 64 bit integers. With ``metric="cosine"``:
        float32, and unit rows (or zeros).
    inertia : float
        Sum over the training rows of the squared distance to the centroid of their cluster, in the
        last iteration.
    n_iter : int
        Iterations over all training rows at the end of the training.
    train_rows : int
        Number of rows that k-means trained on; the pool may be larger.
    engine, device, isa : str
        What computed it. `isa` is the instruction set of the native core.
    seed : int
    seconds : dict of str to float
        Wall time of each stage: "sample", "train", "total".
    """

    centroids: NDArray[np.floating]
    inertia: float
    n_iter: int
    train_rows: int
    engine: str
    device: str
    isa: str
    seed: int
    seconds: dict[str, float]
