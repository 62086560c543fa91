"""The third stage: the centroids."""

from __future__ import annotations

import numpy as np

from ally_fast.cluster.kmeans import train
from ally_fast.cluster.result import KMeansResult
from ally_fast.selection.plan import Plan


def trained_centroids(plan: Plan) -> KMeansResult:
    """Train centroids on a sample of the eligible rows.

    If you gave centroids, or none are needed, nothing is trained.

    Parameters
    ----------
    plan : Plan

    Returns
    -------
    KMeansResult
        Centroids of shape (k, d), and how they were trained. This call reads the sample: 256 rows
        for each cluster unless ``train_size`` says otherwise.

    Raises
    ------
    ValueError
        If a row of the sample is not finite.
    """
    request = plan.request
    if plan.training is not None:
        return train(
            request.pool,
            request.engine,
            plan.training,
            eligible=plan.eligible,
            progress=request.progress,
        )
    engine, centroids = request.engine, request.centroids
    if centroids is None:
        centroids = np.zeros((request.rule.k, request.pool.d), np.float32)
    seed = request.training.seed
    return KMeansResult(centroids, 0.0, 0, 0, engine.name, engine.device, engine.isa, seed, {})
