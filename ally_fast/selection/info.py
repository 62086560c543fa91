"""What a selection says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.record import Record


@dataclass(frozen=True, eq=False)
class SelectionInfo(Record):
    """Why each row is in the batch, and what computed it.

    With ``b = 0`` nothing is read or trained: sizes are zeros, and so are centroids unless you give
    them.

    Attributes
    ----------
    scores : ndarray of float64, shape (b,)
        Dual score of each pick. This array and the next three are in batch order.
    clusters : ndarray of int32, shape (b,)
        Cluster of each pick.
    ranks : ndarray of int64, shape (b,)
        0-based place of each pick in its cluster. Rows that were passed over, because of a radius,
        groups or costs, do not count.
    distances : ndarray of float64, shape (b,)
        Euclidean distance of each pick to its centroid. With ``metric="cosine"``, that of the unit
        row.
    ids : ndarray of int64 or object, shape (b,), or None
        Id of each pick; None if rows have no ids.
    groups : list or None
        Group of each pick; None without `groups`.
    costs : ndarray of float64, shape (b,), or None
        Cost of each pick; None without `cost`.
    kept : dict of str to ndarray, each of shape (b,)
        Values of the picks in the columns that the pool keeps (see `open_pool`).
    centroids : ndarray of float32 or float64, shape (k, d)
        Trained centroids (see `KMeansResult`), or the ones that you gave.
    cluster_sizes : ndarray of int64, shape (k,)
        Eligible rows in each cluster, over the whole pool.
    cluster_counts : ndarray of int64, shape (k,)
        Picks from each cluster.
    inertia : float or None
        Inertia of the training rows (see `KMeansResult`); None if you gave centroids.
    n_iter : int
        Iterations of k-means over all training rows; 0 if you gave centroids.
    train_rows : int
        Number of rows that k-means trained on; 0 if you gave centroids.
    eligible_rows : int
        Number of rows that could be picked.
    skipped_rows : int
        Rows that a pool opened with ``on_bad_row="skip"`` left out because they are not finite.
    engine, device, isa : str
        What computed the batch: engine, device and instruction set.
    seed : int
    seconds : dict of str to float
        Wall time of each stage: "check", "radius", "sample", "train", "assign", "batch", "total".
    bytes_read : int
        Bytes of embeddings read.
    peak_bytes : int
        Largest resident memory of the process so far, with your own arrays; 0 if the system does
        not report it.
    """

    scores: NDArray[np.float64]
    clusters: NDArray[np.int32]
    ranks: NDArray[np.int64]
    distances: NDArray[np.float64]
    ids: NDArray[Any] | None
    groups: list[Any] | None
    costs: NDArray[np.float64] | None
    kept: dict[str, NDArray[Any]]
    centroids: NDArray[np.floating]
    cluster_sizes: NDArray[np.int64]
    cluster_counts: NDArray[np.int64]
    inertia: float | None
    n_iter: int
    train_rows: int
    eligible_rows: int
    skipped_rows: int
    engine: str
    device: str
    isa: str
    seed: int
    seconds: dict[str, float]
    bytes_read: int
    peak_bytes: int
