"""A query function for modAL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ally_fast
from ally_fast._optional import require

_uncertainty = require("modAL.uncertainty", "modal", "ally_fast.integrations.modal")


def clustered_sampling(
    learner: Any,
    X_pool: Any,
    n_instances: int = 1,
    *,
    scores: Any | Callable[[Any], Any] = None,
    embeddings: Any = None,
    k: int | None = None,
    **options: Any,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Query the best scores of each cluster of a pool; a ``query_strategy`` of modAL's learners.

    Parameters
    ----------
    learner : modAL learner or committee
    X_pool : array, shape (n, ...)
    n_instances : int
    scores : array, shape (n,), or callable, optional
        Higher is queried first; a callable gets `X_pool`. By default how unsure the learner is
        (modAL's `classifier_uncertainty`).
    embeddings : array, shape (n, d), optional
        What is clustered; by default `X_pool`, if it is dense.
    k : int, optional
        Number of clusters; by default as many as are queried. At most one a row.
    **options
        Of `ally_fast.select`: ``metric``, ``allocation``, ``radius``, ``seed``.

    Returns
    -------
    indices : ndarray of int64, shape (n_instances,)
        Into `X_pool`, the first one first.
    metrics : ndarray of float64, shape (n_instances,)
        Their scores.

    Examples
    --------
    With `functools.partial` a learner remembers what does not change::

        ActiveLearner(estimator, query_strategy=partial(clustered_sampling, k=20), ...)
    """
    if scores is None:
        scores = _uncertainty.classifier_uncertainty(learner, X_pool)
    values = np.asarray(scores(X_pool) if callable(scores) else scores, np.float64)
    rows = X_pool if embeddings is None else embeddings
    if not hasattr(rows, "__array__"):
        raise TypeError(
            f"X_pool: got {type(rows).__name__}, needs a dense array; or pass embeddings"
        )
    rows = np.asarray(rows)
    if rows.ndim != 2:
        raise ValueError(f"X_pool: got shape {rows.shape}, needs (n, d); or pass embeddings")
    clusters = min(n_instances if k is None else k, len(rows))
    indices = ally_fast.select(rows, values, n_instances, clusters, **options)
    return indices, values[indices]
