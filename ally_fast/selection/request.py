"""The first stage: check all arguments before any work starts."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
from ally_fast.pools.finite import finite_rows
from ally_fast.pools.ids import Ids
from ally_fast.pools.pool import Pool
from ally_fast.selection.allocation import Allocation
from ally_fast.selection.arguments import Arguments
from ally_fast.selection.eligibility import check_budget, drop_rows_above, rows_not_excluded
from ally_fast.selection.join import Join, checked_join
from ally_fast.selection.quotas import Costs, Quotas, checked_costs, checked_quotas
from ally_fast.selection.rule import TIE_BREAKS, Rule
from ally_fast.selection.score_function import ScoreFunction
from ally_fast.selection.scores import Scores


@dataclass(frozen=True, eq=False)
class Request:
    """The arguments of `select`, checked.

    Attributes
    ----------
    pool : Pool
    ids : Ids or None
        The user's names for the rows.
    scores : Scores or ScoreFunction
    max_score : float or None
        Rows that score higher are not eligible; it applies once a function has computed scores.
    rule : Rule
    quotas : Quotas or None
    costs : Costs or None
    eligible : ndarray of bool, shape (n,), or None
        Rows that are not excluded, not skipped, and do not score above ``max_score``; None: all.
    skipped_rows : int
        Number of rows left out because they are not finite.
    labeled : ndarray or None
        Points that no pick may be near, shape (l, d).
    centroids : ndarray or None
        Centroids that the user gave, shape (k, d).
    training : TrainingOptions
        How to train without given centroids, if all rows were eligible.
    engine : Engine
    chunk_rows : int
    progress : bool
    """

    pool: Pool
    ids: Ids | None
    scores: Scores | ScoreFunction
    max_score: float | None
    rule: Rule
    quotas: Quotas | None
    costs: Costs | None
    eligible: NDArray[np.bool_] | None
    skipped_rows: int
    labeled: NDArray[Any] | None
    centroids: NDArray[Any] | None
    training: TrainingOptions
    engine: Engine
    chunk_rows: int
    progress: bool


def check(arguments: Arguments) -> Request:
    """Check arguments; read scores and ids, and embeddings only if bad rows are to be skipped.

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
    join = checked_join(pool, arguments.ids, arguments.unknown_ids)
    eligible = rows_not_excluded(arguments.exclude, pool.n, join.excluded(arguments.exclude_ids))
    eligible, skipped = finite_rows(pool, eligible, chunk_rows, progress=arguments.progress)
    scores = _scores(arguments, pool, join, eligible)
    if isinstance(scores, Scores):
        eligible = drop_rows_above(scores, pool.n, eligible, max_score)
    if arguments.cost is None:  # with costs there may be fewer
        check_budget(rule.b, eligible, pool.n)
    groups = None if arguments.groups is None else join.labels(arguments.groups, "groups", eligible)
    limits = (arguments.min_per_group, arguments.max_per_group)
    fewer = arguments.cost is not None
    quotas = checked_quotas(groups, *limits, rule.b, eligible, pool.n, fewer=fewer)
    cost = None if arguments.cost is None else join.values(arguments.cost, "cost", eligible)
    costs = checked_costs(cost, arguments.cost_budget, eligible, pool.n)
    return Request(
        pool=pool,
        ids=join.ids,
        scores=scores,
        max_score=max_score,
        rule=replace(rule, limited=quotas is not None or costs is not None),
        quotas=quotas,
        costs=costs,
        eligible=eligible,
        skipped_rows=skipped,
        labeled=labeled,
        centroids=centroids,
        training=training,
        engine=engine,
        chunk_rows=chunk_rows,
        progress=arguments.progress,
    )


def _scores(
    arguments: Arguments, pool: Pool, join: Join, eligible: NDArray[np.bool_] | None
) -> Scores | ScoreFunction:
    scores = arguments.dual_scores if arguments.dual_scores is not None else pool.scores
    if scores is None:
        raise ValueError(
            "dual_scores: got None, but the pool has no scores of its own; needs scores"
        )
    if callable(scores):
        return ScoreFunction(scores)
    return Scores(join.values(scores, "dual_scores", eligible), pool.n, eligible)


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
    random = checks.choice(arguments.tie_break, "tie_break", TIE_BREAKS) == "random"
    tie_seed = checks.seed(arguments.seed) if random else None
    return Rule(b, k, allocation, radius, normalize, tie_seed)


def _training(arguments: Arguments, rule: Rule, n: int) -> TrainingOptions:
    return TrainingOptions(
        k=rule.k,
        max_iter=checks.integer(arguments.max_iter, "max_iter", 1),
        tol=checked_tol(arguments.tol),
        seed=checks.seed(arguments.seed),
        size=training_size(arguments.train_size, rule.k, n),
        normalize=rule.normalize,
    )
