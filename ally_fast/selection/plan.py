"""The second stage: everything that is known before training."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ally_fast.cluster.fit import TrainingOptions
from ally_fast.pools.reading import map_chunks
from ally_fast.progress import Progress
from ally_fast.selection.arguments import Arguments
from ally_fast.selection.eligibility import (
    check_budget,
    count_eligible,
    drop_rows_above,
    drop_rows_near,
)
from ally_fast.selection.request import Request, check
from ally_fast.selection.score_function import ScoreFunction
from ally_fast.selection.scores import Scores


@dataclass(frozen=True, eq=False)
class Plan:
    """Which rows may be picked, and how to train.

    Attributes
    ----------
    request : Request
        The checked arguments.
    eligible : ndarray of bool, shape (n,), or None
        Rows that may be picked; None: all rows.
    eligible_rows : int
        Number of eligible rows.
    training : TrainingOptions or None
        How to train; None if you gave centroids, or none are needed.
    rows_read : int
        Number of rows that were compared with labeled rows, or scored in advance.
    """

    request: Request
    eligible: NDArray[np.bool_] | None
    eligible_rows: int
    training: TrainingOptions | None
    rows_read: int


def planned(arguments: Arguments) -> Plan:
    """Check the arguments and make the plan; see `check` and `make_plan`."""
    return make_plan(check(arguments))


def make_plan(request: Request) -> Plan:
    """Find out which rows may be picked, and how many of them to train on.

    It reads the pool once if picks must keep away from labeled rows, and once if a function
    computes the scores and ``max_score`` is set: rows that score higher do not train.

    Raises
    ------
    ValueError
        If too few rows are left.
    """
    pool, rule = request.pool, request.rule
    eligible, rows_read = request.eligible, 0
    if request.labeled is not None and len(request.labeled) and rule.radius is not None:
        rows_read = count_eligible(eligible, pool.n)
        eligible = drop_rows_near(
            pool,
            request.engine.nearness(request.labeled, rule.radius, normalize=rule.normalize),
            eligible,
            chunk_rows=request.chunk_rows,
            progress=request.progress,
        )
        after = f" (radius {rule.radius} around labeled_embeddings)"
        if request.costs is None:
            check_budget(rule.b, eligible, pool.n, after)
    if isinstance(request.scores, ScoreFunction) and request.max_score is not None:
        rows_read += count_eligible(eligible, pool.n)
        scores = _scored(request, request.scores, eligible)
        request = replace(request, scores=scores)
        eligible = drop_rows_above(
            scores, pool.n, None if eligible is None else eligible.copy(), request.max_score
        )
        if request.costs is None:
            check_budget(rule.b, eligible, pool.n, f" (max_score {request.max_score})")
    eligible_rows = count_eligible(eligible, pool.n)
    training = None
    if request.centroids is None and rule.b:
        if eligible_rows < rule.k:
            raise ValueError(f"k: got {rule.k}, needs at most the {eligible_rows} eligible rows")
        training = replace(request.training, size=min(request.training.size, eligible_rows))
    return Plan(request, eligible, eligible_rows, training, rows_read)


def _scored(
    request: Request, function: ScoreFunction, eligible: NDArray[np.bool_] | None
) -> Scores:
    """Return the scores of all eligible rows; NaN means that a row has no score."""
    pool, values = request.pool, np.full(request.pool.n, np.nan)
    with Progress(request.progress, pool.n, "score") as bar:
        for lo, hi, scores in map_chunks(pool, function.scores, request.chunk_rows, eligible):
            if scores is not None:
                values[lo:hi] = scores
            bar.advance(hi - lo)
    return Scores(values, pool.n, eligible)
