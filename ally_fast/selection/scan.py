"""The pass over the pool that keeps what can still be in the batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.cluster.engine import Assigner
from ally_fast.cluster.host_engine import HostShortlister
from ally_fast.cluster.pool_pass import assign_chunks, assign_pool
from ally_fast.ops.shortlist import Shortlist
from ally_fast.rows import Rows
from ally_fast.selection.part import Part
from ally_fast.selection.pick_distances import PickDistances
from ally_fast.selection.plan import Plan


def scan(plan: Plan, centroids: NDArray[Any], rows: tuple[int, int] | None = None) -> Part:
    """Assign the eligible rows among those from ``rows[0]`` to ``rows[1]`` (exclusive).

    Parameters
    ----------
    plan : Plan
    centroids : ndarray of float32 or float64, shape (k, d)
    rows : (int, int), optional
        By default the whole pool.

    Raises
    ------
    ValueError
        If an eligible row is not finite.
    """
    request, rule = plan.request, plan.request.rule
    rows = rows or (0, request.pool.n)
    if rule.b == 0:
        return Part(np.zeros(rule.k, np.int64))
    assigners = request.engine.assigners(centroids, normalize=rule.normalize)
    if not rule.needs_assignments:
        return _listed(plan, centroids, assigners, rows)
    assignments = assign_pool(
        request.pool,
        assigners,
        plan.eligible,
        rows=rows,
        chunk_rows=request.chunk_rows,
        progress=request.progress,
    )
    sizes = np.bincount(assignments[assignments >= 0], minlength=rule.k)
    return Part(sizes, assigned=((rows[0], assignments),))


def _listed(
    plan: Plan, centroids: NDArray[Any], assigners: list[Assigner], rows: tuple[int, int]
) -> Part:
    """Return the shortlist; each assigner collects what it saw, where it saw it."""
    request, rule = plan.request, plan.request.rule
    weights = rule.weights()
    collectors = [
        assigner.shortlister(rule.k, rule.b, weights, rule.tie_seed) for assigner in assigners
    ]
    worth_it = request.pool.streamed and rule.b + rule.k <= request.chunk_rows
    distances = PickDistances(centroids, rule) if worth_it else None

    def take(number: int, clusters: Any, read: Rows, lo: int) -> None:
        scores = request.scores.read(lo, lo + len(read), assigners[number].device)
        collectors[number].push(clusters, scores, lo)
        collector = collectors[number]
        if distances is not None and isinstance(collector, HostShortlister):
            distances.add(collector.entries(), read, lo)

    assign_chunks(
        request.pool,
        assigners,
        plan.eligible,
        take,
        rows=rows,
        chunk_rows=request.chunk_rows,
        progress=request.progress,
    )
    shortlist = Shortlist(rule.k, rule.b, rule.weights(), rule.tie_seed)
    for collector in collectors:
        collector.merge_into(shortlist)
    found = None if distances is None else distances.found()
    return Part(shortlist.sizes, shortlist.entries(), distances=found)
