"""The last stage: from clusters and scores to the batch."""

from __future__ import annotations

from ally_fast.ops.shortlist import Shortlist
from ally_fast.pools.chunks import chunks
from ally_fast.selection.batch import EMPTY, Batch, cut, offers
from ally_fast.selection.blocking import cut_apart
from ally_fast.selection.part import Entries, Part
from ally_fast.selection.plan import Plan
from ally_fast.selection.scores import Scores

_PUSHED_ROWS = 1 << 20


def finish(plan: Plan, whole: Part) -> Batch:
    """Return the batch of a pool that was assigned, all parts of it merged.

    Raises
    ------
    ValueError
        If fewer than ``b`` rows are farther apart than the radius.
    """
    request, rule = plan.request, plan.request.rule
    if rule.b == 0:
        return EMPTY
    weights = rule.weights(whole.sizes)
    if rule.radius is None:
        entries = whole.entries or _best(request.scores, whole, Shortlist(rule.k, rule.b, weights))
        return cut(offers(entries), weights, rule.b)
    budget, batch = rule.b, None
    while batch is None:
        entries = _best(request.scores, whole, Shortlist(rule.k, budget, weights))
        batch = cut_apart(request.pool, offers(entries), whole.sizes, rule)
        budget *= 4  # a cluster's list ran out while it had more rows to offer
    if len(batch.indices) < rule.b:
        raise ValueError(
            f"b: got {rule.b}, but only {len(batch.indices)} eligible rows farther than radius "
            f"{rule.radius} apart were found; needs a smaller b or radius"
        )
    return batch


def _best(scores: Scores, whole: Part, shortlist: Shortlist) -> Entries:
    """Return what a shortlist keeps of all rows assigned."""
    for start, assignments in whole.assigned:
        for lo, hi in chunks(len(assignments), _PUSHED_ROWS):
            first = start + lo
            part = scores.read(first, start + hi)
            shortlist.push(assignments[lo:hi], part, first=first)
    return shortlist.entries()
