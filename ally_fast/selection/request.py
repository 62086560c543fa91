"""The first stage: everything that can be refused is refused before any work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import _settings, checks
from ally_fast.cluster.arguments import (
    METRICS,
    checked_centroids,
    checked_k,
    checked_points,
    checked_pool,
    checked_tol,
)
from ally_fast.cluster.choose_engine import choose_engine
from ally_fast.cluster.engine import Engine
from ally_fast.cluster.fit import TrainingOptions
from ally_fast.cluster.training import training_size
from ally_fast.device import choose_devices
from ally_fast.pools import as_pool
from ally_fast.pools.chunks import chunk_size
from ally_fast.pools.pool import Pool
from ally_fast.selection.allocation import Allocation
from ally_fast.selection.arguments import Arguments
from ally_fast.selection.eligibility import check_budget, drop_rows_above, rows_not_excluded
from ally_fast.selection.rule import Rule
from ally_fast.selection.scores import Scores


@dataclass(frozen=True, eq=False)
class Request:
    """The arguments of `select`, checked.

    Attributes
    ----------
    pool : Pool
    scores : Scores
    rule : Rule
    eligible : ndarray of bool, shape (n,), or None
        Rows neither excluded nor scored above ``max_score``; None: all of them.
    labeled : ndarray or None
        Points that no pick may lie near, shape (l, d).
    centroids : ndarray or None
        Those given, shape (k, d).
    training : TrainingOptions
        How to train where none are given, if all rows were eligible.
    engine : Engine
    chunk_rows : int
    progress : bool
    """

    pool: Pool
    scores: Scores
    rule: Rule
    eligible: NDArray[np.bool_] | None
    labeled: NDArray[Any] | None
    centroids: NDArray[Any] | None
    training: TrainingOptions
    engine: Engine
    chunk_rows: int
    progress: bool


def check(arguments: Arguments) -> Request:
    """Check arguments; scores are read, embeddings are not.

    Raises
    ------
    ValueError, TypeError, ImportError, RuntimeError
        As `select` does.
    """
    pool = checked_pool(as_pool(arguments.embeddings))
    rule = _rule(arguments, pool.n)
    max_score = arguments.max_score
    if max_score is not None:
        max_score = checks.number(max_score, "max_score")
    training = _training(arguments, rule, pool.n)
    chunk_rows = chunk_size(pool, arguments.chunk_rows)
    devices = choose_devices(arguments.device, pool.device)
    _settings.threads()
    engine = choose_engine(arguments.engine, devices, pool.stream)
    centroids, labeled = arguments.centroids, arguments.labeled_embeddings
    if centroids is not None:
        centroids = checked_centroids(centroids, rule.k, pool.d, rule.normalize)
    if labeled is not None:
        labeled = checked_points(labeled, "labeled_embeddings", pool.d, rule.normalize)
    eligible = rows_not_excluded(arguments.exclude, pool.n)
    scores = Scores(arguments.dual_scores, pool.n, eligible)
    eligible = drop_rows_above(scores, pool.n, eligible, max_score)
    check_budget(rule.b, eligible, pool.n)
    return Request(
        pool=pool,
        scores=scores,
        rule=rule,
        eligible=eligible,
        labeled=labeled,
        centroids=centroids,
        training=training,
        engine=engine,
        chunk_rows=chunk_rows,
        progress=arguments.progress,
    )


def _rule(arguments: Arguments, n: int) -> Rule:
    b, k = checks.integer(arguments.b, "b", 0), checked_k(arguments.k, n)
    normalize = checks.choice(arguments.metric, "metric", METRICS) == "cosine"
    allocation = Allocation(arguments.allocation, k)
    radius = arguments.radius
    if radius is not None:
        radius = checks.number(radius, "radius")
        if not 1e-150 <= radius <= 1e154:  # its square must fit into float64
            raise ValueError(f"radius: got {radius}, needs a distance from 1e-150 to 1e154")
    if arguments.labeled_embeddings is not None and radius is None:
        raise ValueError("labeled_embeddings: has no effect without radius; needs radius as well")
    return Rule(b, k, allocation, radius, normalize)


def _training(arguments: Arguments, rule: Rule, n: int) -> TrainingOptions:
    return TrainingOptions(
        k=rule.k,
        max_iter=checks.integer(arguments.max_iter, "max_iter", 1),
        tol=checked_tol(arguments.tol),
        seed=checks.seed(arguments.seed),
        size=training_size(arguments.train_size, rule.k, n),
        normalize=rule.normalize,
    )
