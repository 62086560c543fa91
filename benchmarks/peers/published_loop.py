"""Selection as the method's published experiments do it: mini-batch k-means, then a Python loop.

Written from the description, not from its source: ``MiniBatchKMeans`` (scikit-learn 1.9,
``batch_size=1024``, otherwise its own settings), then for each of the k clusters find its rows,
sort their scores, keep the best ``b // k``. Returns ``k * (b // k)`` rows at most: clusters
smaller than ``b // k`` give what they have and the remainder of b is not shared out.
"""

from __future__ import annotations

import numpy as np
from sklearn.cluster import MiniBatchKMeans

from benchmarks.outcome import Outcome, Stages


def run(rows: np.ndarray, scores: np.ndarray, b: int, k: int, *, threads: int) -> Outcome:
    """Cluster by mini-batches, then loop over the clusters."""
    stages = Stages()
    model = MiniBatchKMeans(k, batch_size=1024, n_init="auto", random_state=0)
    with stages("train"):
        labels = model.fit_predict(rows)
    with stages("batch"):
        share = b // k
        picks = []
        for cluster in range(k):
            members = np.where(labels == cluster)[0]
            best = np.argsort(scores[members])[::-1][:share]
            picks.append(members[best])
        indices = np.concatenate(picks)
    return Outcome(
        indices,
        model.cluster_centers_,
        labels,
        {**stages.seconds, "assign": 0.0},
        n_iter=int(model.n_iter_),
        train_rows=len(rows),
        extra={"mini_batches": int(model.n_steps_)},
    )
