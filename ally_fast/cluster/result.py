"""What k-means gives, and what ran to get it."""

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
        float64 for embeddings of float64 and of 32 or 64 bit integers. Unit rows (or zeros), and
        float32, with ``metric="cosine"``.
    inertia : float
        Sum over the training rows of the squared distance to the centroid of their cluster, as
        of the last iteration.
    n_iter : int
        Iterations over all training rows that ended the training.
    train_rows : int
        Rows trained on; the pool may be larger.
    engine, device, isa : str
        What ran. `isa` is the native core's instruction set.
    seed : int
    seconds : dict of str to float
        Wall time by stage: "sample", "train", "total".
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
