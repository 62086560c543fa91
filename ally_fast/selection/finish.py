"""The last stage: from clusters and scores to the batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ally_fast.selection.batch import EMPTY, Batch, cut, offers
from ally_fast.selection.best import best_entries
from ally_fast.selection.greedy import pick_greedily
from ally_fast.selection.part import Part
from ally_fast.selection.plan import Plan
from ally_fast.selection.request import Request
from ally_fast.selection.scores import Scores


def finish(plan: Plan, whole: Part) -> Batch:
    """Return the batch of a pool whose rows were all assigned, and whose parts are merged.

    Raises
    ------
    ValueError
        If the radius and the groups allow fewer than ``b`` picks. With costs the batch is then
        smaller instead.
    """
    request, rule = _with_scores(plan, whole), plan.request.rule
    if rule.b == 0:
        return EMPTY
    if not rule.greedy:
        entries = whole.entries or best_entries(request, whole, rule.b)[0]
        return cut(offers(entries), rule.weights(whole.sizes), rule)
    batch = pick_greedily(request, whole)
    count = len(batch.indices)
    if count < rule.b and request.costs is None:
        limits = [f"farther than radius {rule.radius} apart"] if rule.radius is not None else []
        limits += ["within their groups' limits"] if request.quotas is not None else []
        needed = "a smaller b or radius" if rule.radius is not None else "a smaller b"
        raise ValueError(
            f"b: got {rule.b}, but only {count} eligible rows {' and '.join(limits)} were found; "
            f"needs {needed}"
        )
    return batch


def _with_scores(plan: Plan, whole: Part) -> Request:
    """Return the request with the scores that a function computed, if they came with the rows."""
    if not whole.scored:
        return plan.request
    n = plan.request.pool.n
    values = np.full(n, np.nan)
    for first, scores in whole.scored:
        values[first : first + len(scores)] = scores
    return replace(plan.request, scores=Scores(values, n, plan.eligible))
