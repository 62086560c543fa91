"""The error for embeddings that are not finite."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ally_fast.pools.chunks import chunk_size, chunks
from ally_fast.pools.pool import Pool, as_float


def nonfinite_error(pool: Pool, eligible: NDArray[np.bool_] | None) -> ValueError:
    """Return the error that says how many of the rows read are not finite, and the first one.

    Called once a pass has met such a row; it reads the pool again to count them.
    """
    count, first, too_large = 0, -1, 0
    for lo, hi in chunks(pool.n, chunk_size(pool, None), pool=pool):
        rows = as_float(pool.read(lo, hi))
        bad = ~np.isfinite(rows).all(axis=1)
        with np.errstate(over="ignore"):
            large = ~np.isfinite(rows.astype(np.float32)).all(axis=1) & ~bad
        if eligible is not None:
            bad &= eligible[lo:hi]
            large &= eligible[lo:hi]
        if first < 0 and bad.any():
            first = lo + int(bad.argmax())
        count += int(bad.sum())
        too_large += int(large.sum())
    if count:
        return ValueError(
            f"embeddings: {count} of {pool.n} rows hold NaN or infinite values, the first is row "
            f"{first}; needs finite values"
        )
    return ValueError(
        f"embeddings: {too_large} of {pool.n} rows hold values too large for float32, in which "
        "k-means is trained; scale the embeddings down"
    )
