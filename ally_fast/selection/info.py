"""What a selection says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.record import Record


@dataclass(frozen=True, eq=False)
class SelectionInfo(Record):
    """Why each row is in the batch, and what ran.

    With ``b = 0`` nothing is read or trained: centroids and sizes are zeros unless given.

    Attributes
    ----------
    scores : ndarray of float64, shape (b,)
        Dual scores of the picks, in batch order, as are the next three.
    clusters : ndarray of int32, shape (b,)
    ranks : ndarray of int64, shape (b,)
        0-based place in the cluster; with `radius`, among the cluster's rows not passed over.
    distances : ndarray of float64, shape (b,)
        Euclidean distance to the centroid (of the unit row, with ``metric="cosine"``).
    ids : ndarray of int64 or object, shape (b,), or None
        What you call the picks; None where rows have no ids.
    groups : list or None
        The group of each pick; None where none were given.
    costs : ndarray of float64, shape (b,), or None
        What each pick costs.
    kept : dict of str to ndarray, each of shape (b,)
        Values of the picks in the columns that the pool was told to keep.
    centroids : ndarray of float32 or float64, shape (k, d)
        See `KMeansResult`; those given, with ``centroids``.
    cluster_sizes : ndarray of int64, shape (k,)
        Eligible rows per cluster, over the whole pool.
    cluster_counts : ndarray of int64, shape (k,)
        Picks per cluster.
    inertia : float or None
        Of the k-means training rows (see `KMeansResult`); None with given centroids.
    n_iter : int
        k-means iterations over all training rows; 0 with given centroids.
    train_rows : int
        Rows k-means was trained on; 0 with given centroids.
    eligible_rows : int
        Rows that could be picked.
    skipped_rows : int
        Rows left out since they are not finite, of a pool opened with ``on_bad_row="skip"``.
    engine, device, isa : str
        What ran.
    seed : int
    seconds : dict of str to float
        Wall time by stage: "check", "radius", "sample", "train", "assign", "batch", "total".
    bytes_read : int
        Bytes of embeddings read.
    peak_bytes : int
        Largest resident memory of the process so far, the caller's arrays included; 0 where the
        system does not tell.
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
