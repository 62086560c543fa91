"""SuperKMeans (PyPI ``superkmeans``), its exact assignment, NumPy tail.

Written against superkmeans 0.2. Its default picks the hierarchical engine above 100,000 rows
(faster, visibly higher inertia) and the flat one below. The flat engine at its own settings runs
up to 10 iterations on min(0.3 n, 256 k) rows. The recipe is the flat engine on 256 rows per
centroid, exactly 10 iterations: it needs a ``sampling_fraction``, since at 1.0 version 0.2.0
trains on every row whatever ``max_points_per_cluster`` says.
"""

from __future__ import annotations

import numpy as np
from superkmeans import SuperKMeans

from benchmarks.outcome import Outcome, Stages
from benchmarks.tail import best_per_cluster


def run(
    rows: np.ndarray,
    scores: np.ndarray,
    b: int,
    k: int,
    *,
    threads: int,
    train_size: int | None = None,
    hierarchical: bool | None = None,
    early_termination: bool = True,
) -> Outcome:
    """Cluster with SuperKMeans, then take the best of each cluster.

    Parameters
    ----------
    train_size : int, optional
        Rows to train on; None leaves its default.
    hierarchical : bool, optional
        None leaves its default: hierarchical above 100,000 rows.
    early_termination : bool
        Its default is True.
    """
    stages = Stages()
    model = SuperKMeans(
        n_clusters=k,
        dimensionality=rows.shape[1],
        hierarchical=hierarchical,
        sampling_fraction=None if train_size is None else min(1.0, train_size / len(rows)),
        early_termination=early_termination,
        n_threads=threads,
    )
    with stages("train"):
        centroids = model.train(rows)
    with stages("assign"):
        labels = model.assign(rows, centroids)
    with stages("batch"):
        indices = best_per_cluster(labels, scores, b, k)
    return Outcome(
        indices,
        centroids,
        labels,
        stages.seconds,
        n_iter=_iterations(model),
        train_rows=int(model.state.n_encoded) or None,
        extra={"hierarchical": bool(model.hierarchical_)},
    )


def _iterations(model: SuperKMeans) -> int | None:
    """Count the iterations, where the flat engine kept them."""
    return None if model.hierarchical_ else len(model.iteration_stats) or None
