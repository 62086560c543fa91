"""``ally_fast.select`` under the contract the peers follow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import ally_fast
from benchmarks.outcome import Outcome


def run(
    rows: np.ndarray, scores: np.ndarray, b: int, k: int, *, threads: int, **options: Any
) -> Outcome:
    """Select, and keep what the call says about itself.

    Parameters
    ----------
    rows, scores, b, k
        Pool, scores, budget, clusters.
    threads : int
        Unused: ``ALLY_FAST_THREADS`` sets them.
    **options
        Passed to ``ally_fast.select``.

    Returns
    -------
    Outcome
        Exactly b rows; the assignments are found by ``assign`` outside the timing.
    """
    with _assigned_in_training() as assigned:
        indices, info = ally_fast.select(rows, scores, b, k, return_info=True, **options)
    stages = {name: float(value) for name, value in info.seconds.items() if name != "total"}
    return Outcome(
        indices,
        info.centroids,
        None,
        stages,
        isa=info.isa,
        n_iter=info.n_iter,
        train_rows=info.train_rows,
        extra={
            "engine": info.engine,
            "bytes_read": int(info.bytes_read),
            "peak_bytes_told": int(info.peak_bytes),
            "rows_assigned_in_training": sum(assigned) or None,
        },
    )


@contextmanager
def _assigned_in_training() -> Iterator[list[int]]:
    """Count the rows of each call of training to `assign`; nothing in states without averages."""
    counts: list[int] = []
    try:
        from ally_fast.cluster import averages
    except ImportError:
        yield counts
        return
    plain = averages.assign

    def counted(rows: Any, table: Any) -> Any:
        counts.append(len(rows))
        return plain(rows, table)

    averages.assign = counted
    try:
        yield counts
    finally:
        averages.assign = plain


def assign(rows: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Assign every row to its nearest centroid.

    Parameters
    ----------
    rows, centroids
        The pool and the centroids ``run`` returned.

    Returns
    -------
    numpy.ndarray of shape (n,), int32
        Cluster of every row.
    """
    return ally_fast.assign(rows, centroids)
