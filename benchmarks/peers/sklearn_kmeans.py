"""scikit-learn ``KMeans`` followed by the NumPy tail.

Written against scikit-learn 1.9. Recommended settings: ``init="k-means++"``, ``n_init=1`` (its
"auto"), ``algorithm="lloyd"``, all rows. ``max_iter`` is 25 instead of its default 300, which is
kinder to its time. Threads by OpenMP and BLAS. ``fit`` ends with the labels of all rows it was
given, so only the recipe, fitted on a sample, needs ``predict``.
"""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans

from benchmarks.outcome import Outcome, Stages
from benchmarks.peers.sample import training_rows
from benchmarks.tail import best_per_cluster


def run(
    rows: np.ndarray,
    scores: np.ndarray,
    b: int,
    k: int,
    *,
    threads: int,
    train_size: int | None = None,
    max_iter: int = 25,
    tol: float = 1e-4,
) -> Outcome:
    """Cluster with Lloyd's algorithm from a k-means++ start, then take the best of each cluster.

    Parameters
    ----------
    train_size : int, optional
        Rows to fit on; None fits on all.
    max_iter, tol
        Passed on.
    """
    stages = Stages()
    model = KMeans(k, init="k-means++", n_init=1, max_iter=max_iter, tol=tol, random_state=0)
    with stages("train"):
        sample = training_rows(rows, train_size)
        model.fit(sample)
    with stages("assign"):
        labels = model.labels_ if sample is rows else model.predict(rows)
    with stages("batch"):
        indices = best_per_cluster(labels, scores, b, k)
    return Outcome(
        indices,
        model.cluster_centers_,
        labels,
        stages.seconds,
        n_iter=int(model.n_iter_),
        train_rows=len(sample),
    )
