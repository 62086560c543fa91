"""The stages of `ally_fast.select`, with which any engine can run it on many machines.

One process, jobs in a folder, and Ray all run a selection by these functions, and give the same
batch. ``docs/engines.md`` shows Dask, Spark, Daft and Ray Data::

    plan ── train ── task ─┐
      └── portions ────────┴─ scan ─ merge ─ conclude

You run `plan`, `train` and `conclude` in one process, and `scan` in workers, once for each portion.
`merge` may run anywhere, in any order and grouping. `Plan` stays where it was made; you can pickle
`Task`, `Portion` and `Part`.
"""

from __future__ import annotations

from typing import Any

from ally_fast.pools.remote_pool import RemotePool
from ally_fast.selection.part import Part, merge
from ally_fast.selection.plan import Plan, planned
from ally_fast.selection.portion import Portion, portions, ranges
from ally_fast.selection.scan import scan
from ally_fast.selection.select import arguments_of
from ally_fast.selection.select import concluded as conclude
from ally_fast.selection.task import Task, task
from ally_fast.selection.train import trained_centroids as train

__all__ = [
    "Part",
    "Plan",
    "Portion",
    "RemotePool",
    "Task",
    "conclude",
    "merge",
    "plan",
    "portions",
    "ranges",
    "scan",
    "task",
    "train",
]


def plan(pool: Any, dual_scores: Any, b: int, k: int, **options: Any) -> Plan:
    """Check the arguments of a selection, and find out which rows may be picked.

    Parameters
    ----------
    pool, dual_scores, b, k, **options
        As for `ally_fast.select`. Workers read the pool, so it must consist of files, as
        `open_pool` returns it. It may also be a `RemotePool` over such a pool; then this process
        reads no rows.

    Returns
    -------
    Plan

    Raises
    ------
    ValueError, TypeError, ImportError, RuntimeError
        As `ally_fast.select` does.

    Notes
    -----
    This stage reads ids and scores. It reads rows only with ``on_bad_row="skip"``, with
    `labeled_embeddings`, or with `max_score` if a function computes the scores.

    Examples
    --------
    >>> import numpy as np
    >>> import ally_fast
    >>> from ally_fast import stages
    >>> embeddings = np.random.default_rng(0).standard_normal((1000, 8), dtype=np.float32)
    >>> plan = stages.plan(embeddings, embeddings[:, 0], b=20, k=5)
    >>> trained = stages.train(plan)
    >>> task = stages.task(plan, trained)
    >>> parts = [stages.scan(task, portion) for portion in stages.portions(plan, 4)]
    >>> batch, info = stages.conclude(plan, trained, stages.merge(task.rule, *parts))
    >>> len(parts), bool((batch == ally_fast.select(embeddings, embeddings[:, 0], 20, 5)).all())
    (4, True)
    """
    return planned(arguments_of(pool, dual_scores, b, k, options))
