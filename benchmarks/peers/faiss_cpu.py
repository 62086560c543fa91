"""FAISS k-means (``faiss.Kmeans``) on the CPU, flat index for the assignment, NumPy tail.

Written against faiss-cpu 1.15. Recommended settings: 25 iterations on at most 256 rows per
centroid, random start, its own seed; it draws the sample itself. The recipe is the same with 10
iterations. ``pruned=True`` takes ``faiss.SuperKmeans`` instead, advised for k >= 1024 and
d >= 128.
"""

from __future__ import annotations

import faiss
import numpy as np

from benchmarks.outcome import Outcome, Stages
from benchmarks.tail import best_per_cluster


def run(
    rows: np.ndarray,
    scores: np.ndarray,
    b: int,
    k: int,
    *,
    threads: int,
    iterations: int = 25,
    pruned: bool = False,
) -> Outcome:
    """Cluster with FAISS, then take the best of each cluster.

    Parameters
    ----------
    iterations : int
        Lloyd iterations; FAISS has no early stop by default.
    pruned : bool
        Use the pruning variant.
    """
    faiss.omp_set_num_threads(threads)
    stages = Stages()
    model = (faiss.SuperKmeans if pruned else faiss.Kmeans)(rows.shape[1], k, niter=iterations)
    with stages("train"):
        model.train(rows)
    with stages("assign"):
        _, labels = model.assign(rows)
    with stages("batch"):
        indices = best_per_cluster(labels, scores, b, k)
    return Outcome(
        indices,
        model.centroids,
        labels,
        stages.seconds,
        n_iter=len(model.iteration_stats),
        train_rows=min(len(rows), 256 * k),
    )
