"""What scanning needs for every portion of a pool."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from ally_fast.cluster.engine import Engine
from ally_fast.cluster.result import KMeansResult
from ally_fast.pools.pool import Pool
from ally_fast.pools.remote_pool import as_workers_read
from ally_fast.selection.plan import Plan
from ally_fast.selection.rule import Rule
from ally_fast.selection.score_function import ScoreFunction


@dataclass(frozen=True, eq=False)
class Task:
    """What scanning any portion of a pool needs; each worker gets it once.

    Attributes
    ----------
    pool : Pool
    rule : Rule
    engine : Engine or str
        An engine, or the name of the one that the worker makes.
    centroids : ndarray of float32 or float64, shape (k, d)
    function : ScoreFunction or None
        Computes the scores; None if scores come with each portion.
    chunk_rows : int
        Number of rows to read at once.
    """

    pool: Pool
    rule: Rule
    engine: Engine | str
    centroids: NDArray[Any]
    function: ScoreFunction | None
    chunk_rows: int


def task(plan: Plan, trained: KMeansResult, *, assignments: bool = False) -> Task:
    """Return what scanning needs beside a portion, so that you can pickle it for workers.

    Parameters
    ----------
    plan : Plan
    trained : KMeansResult
    assignments : bool
        Keep the cluster of every row, even if the rule does not need it.

    Returns
    -------
    Task
        It pickles to O(k d) bytes, plus the names of the pool's files and the function that
        computes scores, if there is one.
    """
    local, engine = local_task(plan, trained, assignments=assignments), plan.request.engine
    return replace(local, pool=as_workers_read(local.pool), engine=engine.name)


def local_task(plan: Plan, trained: KMeansResult, *, assignments: bool = False) -> Task:
    """Return the same task for this process, which has made the engine already."""
    request = plan.request
    return Task(
        pool=request.pool,
        rule=replace(request.rule, limited=request.rule.limited or assignments),
        engine=request.engine,
        centroids=trained.centroids,
        function=request.scores if isinstance(request.scores, ScoreFunction) else None,
        chunk_rows=request.chunk_rows,
    )
