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
from ally_fast.selection.portion import Portion


def scan(portion: Portion, centroids: NDArray[Any]) -> Part:
    """Assign the eligible rows of a portion, and keep what can still be in the batch.

    Parameters
    ----------
    portion : Portion
    centroids : ndarray of float32 or float64, shape (k, d)

    Raises
    ------
    ValueError
        If an eligible row is not finite.
    """
    rule, rows = portion.rule, portion.rows
    if rule.b == 0:
        return Part(np.zeros(rule.k, np.int64))
    assigners = portion.engine.assigners(centroids, normalize=rule.normalize)
    if not rule.needs_assignments:
        return _listed(portion, centroids, assigners)
    assignments = assign_pool(
        portion.pool,
        assigners,
        portion.eligible,
        rows=rows,
        chunk_rows=portion.chunk_rows,
        progress=portion.progress,
    )
    sizes = np.bincount(assignments[assignments >= 0], minlength=rule.k)
    return Part(sizes, assigned=((rows[0], assignments),))


def _listed(portion: Portion, centroids: NDArray[Any], assigners: list[Assigner]) -> Part:
    """Return the shortlist; each assigner collects what it saw, where it saw it."""
    rule = portion.rule
    weights = rule.weights()
    collectors = [
        assigner.shortlister(rule.k, rule.b, weights, rule.tie_seed) for assigner in assigners
    ]
    worth_it = portion.pool.streamed and rule.b + rule.k <= portion.chunk_rows
    distances = PickDistances(centroids, rule) if worth_it else None

    def take(number: int, clusters: Any, read: Rows, lo: int) -> None:
        scores = portion.scores.read(lo, lo + len(read), assigners[number].device)
        collectors[number].push(clusters, scores, lo)
        collector = collectors[number]
        if distances is not None and isinstance(collector, HostShortlister):
            distances.add(collector.entries(), read, lo)

    assign_chunks(
        portion.pool,
        assigners,
        portion.eligible,
        take,
        rows=portion.rows,
        chunk_rows=portion.chunk_rows,
        progress=portion.progress,
    )
    shortlist = Shortlist(rule.k, rule.b, rule.weights(), rule.tie_seed)
    for collector in collectors:
        collector.merge_into(shortlist)
    found = None if distances is None else distances.found()
    return Part(shortlist.sizes, shortlist.entries(), distances=found)
