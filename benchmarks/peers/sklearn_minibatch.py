"""scikit-learn ``MiniBatchKMeans`` followed by the NumPy tail.

Written against scikit-learn 1.9, at its own settings: ``batch_size=1024``, ``init="k-means++"``,
``n_init="auto"`` (1), ``max_iter=100`` with its early stop. ``fit`` ends with the labels of all
rows.
"""

from __future__ import annotations

import numpy as np
from sklearn.cluster import MiniBatchKMeans

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
    max_iter: int = 100,
    batch_size: int = 1024,
) -> Outcome:
    """Cluster by mini-batches, then take the best of each cluster.

    Parameters
    ----------
    train_size : int, optional
        Rows to fit on; None fits on all.
    max_iter, batch_size
        Passed on; ``max_iter`` counts passes over the training rows.
    """
    stages = Stages()
    model = MiniBatchKMeans(
        k, batch_size=batch_size, max_iter=max_iter, n_init="auto", random_state=0
    )
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
        extra={"mini_batches": int(model.n_steps_)},
    )
