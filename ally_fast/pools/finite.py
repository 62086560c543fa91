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
    count, first, largest, far_row = 0, -1, 0.0, -1
    for lo, hi in chunks(pool.n, chunk_size(pool, None), pool=pool):
        rows = as_float(pool.read(lo, hi))
        if eligible is not None:
            rows[~eligible[lo:hi]] = 0
        sizes = np.abs(rows).max(axis=1)
        bad = ~np.isfinite(sizes)
        if first < 0 and bad.any():
            first = lo + int(bad.argmax())
        count += int(bad.sum())
        if not count and sizes.max() > largest:
            largest, far_row = float(sizes.max()), lo + int(sizes.argmax())
    if count:
        if fault := pool.fault(first):
            return ValueError(f"{fault}; {count} of {pool.n} rows hold no finite vector")
        return ValueError(
            f"embeddings: {count} of {pool.n} rows hold NaN or infinite values, the first is row "
            f"{first}; needs finite values"
        )
    return ValueError(
        f"embeddings: the largest value is {largest:.3g}, in row {far_row}, too large beside those "
        "of other rows; exclude that row, or rescale"
    )
