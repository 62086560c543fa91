"""The best rows of each cluster, in a pool whose rows are all assigned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ally_fast.ops.shortlist import Shortlist
from ally_fast.pools.chunks import chunks
from ally_fast.selection.part import Entries, Part
from ally_fast.selection.request import Request
from ally_fast.selection.scores import Scores

_PUSHED_ROWS = 1 << 20


def best_entries(
    request: Request, whole: Part, budget: int, open_rows: NDArray[np.bool_] | None = None
) -> tuple[Entries, NDArray[np.int64]]:
    """Return what a shortlist of `budget` rows keeps, and the number of rows of each cluster.

    Parameters
    ----------
    request : Request
    whole : Part
        With the assignments of all rows.
    budget : int
    open_rows : ndarray of bool, shape (n,), optional
        Rows to count; None: all eligible rows.
    """
    rule, scores = request.rule, request.scores
    assert isinstance(scores, Scores)  # a function's are known by now
    shortlist = Shortlist(rule.k, budget, rule.weights(whole.sizes), rule.tie_seed)
    for start, assignments in whole.assigned:
        for lo, hi in chunks(len(assignments), _PUSHED_ROWS):
            first, clusters = start + lo, assignments[lo:hi]
            if open_rows is not None:
                clusters = np.where(open_rows[first : start + hi], clusters, np.int32(-1))
            shortlist.push(clusters, scores.read(first, start + hi), first=first)
    return shortlist.entries(), shortlist.sizes
