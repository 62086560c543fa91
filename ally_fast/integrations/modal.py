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
    """Query the best rows of each cluster of a pool; a ``query_strategy`` for modAL's learners.

    Parameters
    ----------
    learner : modAL learner or committee
    X_pool : array, shape (n, ...)
    n_instances : int
        Number of rows to query.
    scores : array, shape (n,), or callable, optional
        Rows with higher scores are queried first. A callable is called with `X_pool`. The default
        is the learner's uncertainty (modAL's `classifier_uncertainty`).
    embeddings : array, shape (n, d), optional
        The vectors to cluster; by default `X_pool`, which must be dense.
    k : int, optional
        Number of clusters; by default `n_instances`. At most one cluster per row.
    **options
        As for `ally_fast.select`: ``metric``, ``allocation``, ``radius``, ``seed``.

    Returns
    -------
    indices : ndarray of int64, shape (n_instances,)
        Rows of `X_pool`, in priority order.
    metrics : ndarray of float64, shape (n_instances,)
        Their scores.

    Examples
    --------
    Use `functools.partial` to fix the arguments that do not change::

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
