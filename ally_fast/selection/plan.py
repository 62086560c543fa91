"""The second stage: what is known before training."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ally_fast.cluster.fit import TrainingOptions
from ally_fast.selection.eligibility import check_budget, count_eligible, drop_rows_near
from ally_fast.selection.request import Request


@dataclass(frozen=True, eq=False)
class Plan:
    """What a batch will be made of.

    Attributes
    ----------
    request : Request
    eligible : ndarray of bool, shape (n,), or None
        Rows that may be picked; None: all of them.
    eligible_rows : int
        Their number.
    training : TrainingOptions or None
        None where centroids are given, or not needed.
    rows_read : int
        Rows that were compared with the labeled ones.
    """

    request: Request
    eligible: NDArray[np.bool_] | None
    eligible_rows: int
    training: TrainingOptions | None
    rows_read: int


def make_plan(request: Request) -> Plan:
    """Find out which rows may be picked, and on how many to train.

    Reads the pool once if there are labeled rows to keep away from.

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
    eligible_rows = count_eligible(eligible, pool.n)
    training = None
    if request.centroids is None and rule.b:
        if eligible_rows < rule.k:
            raise ValueError(f"k: got {rule.k}, needs at most the {eligible_rows} eligible rows")
        training = replace(request.training, size=min(request.training.size, eligible_rows))
    return Plan(request, eligible, eligible_rows, training, rows_read)
