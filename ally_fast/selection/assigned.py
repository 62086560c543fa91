"""The batch once every row's cluster is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ally_fast.ops.shortlist import Shortlist
from ally_fast.pools.pool import Pool
from ally_fast.selection.batch import Batch, cut, offers
from ally_fast.selection.blocking import cut_apart
from ally_fast.selection.scan import push_all
from ally_fast.selection.scores import Scores


def batch_of_assigned(
    pool: Pool,
    scores: Scores,
    assignments: NDArray[np.int32],
    sizes: NDArray[np.int64],
    weights: NDArray[np.float64],
    b: int,
    radius: float | None,
    normalize: bool,
) -> Batch:
    """Return the batch, with `radius` as `cut_apart` does.

    Raises
    ------
    ValueError
        If fewer than `b` rows are that far apart.
    """
    budget = b
    while True:
        shortlist = Shortlist(len(weights), budget, weights)
        push_all(shortlist, assignments, scores, 1 << 20)
        listed = offers(shortlist)
        if radius is None:
            return cut(listed, weights, b)
        batch = cut_apart(pool, listed, sizes, weights, b, radius, normalize=normalize)
        if batch is not None:
            break
        budget *= 4  # a cluster's list ran out while it had more rows to offer
    if len(batch.indices) < b:
        raise ValueError(
            f"b: got {b}, but only {len(batch.indices)} eligible rows farther than radius "
            f"{radius} apart were found; needs a smaller b or radius"
        )
    return batch
