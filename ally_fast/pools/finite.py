"""Find rows that are not finite, or describe them in an error."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ally_fast.pools.chunks import chunk_size
from ally_fast.pools.pool import Pool, as_float
from ally_fast.pools.reading import map_chunks
from ally_fast.progress import Progress
from ally_fast.rows import Rows


def finite_rows(
    pool: Pool, eligible: NDArray[np.bool_] | None, chunk_rows: int, *, progress: bool = False
) -> tuple[NDArray[np.bool_] | None, int]:
    """Return the eligible rows (None: all) without the skipped ones, and the number of these.

    Reads the pool only if its `on_bad_row` is "skip".
    """
    if pool.on_bad_row != "skip":
        return eligible, 0
    finite = np.ones(pool.n, np.bool_)
    with Progress(progress, pool.n, "check rows") as bar:
        for lo, hi, part in map_chunks(pool, _finite, chunk_rows, eligible):
            if part is not None:
                finite[lo:hi] = part
            bar.advance(hi - lo)
    among = finite if eligible is None else finite | ~eligible
    skipped = pool.n - int(np.count_nonzero(among))
    if not skipped:
        return eligible, 0
    return (finite if eligible is None else finite & eligible), skipped


def _finite(rows: Rows, first: int, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    finite: NDArray[np.bool_] = np.isfinite(as_float(rows)).all(axis=1)
    return finite


class _Sizes(NamedTuple):
    """The number of rows that are not finite, the first of them, and the others' largest value."""

    bad: int
    first: int
    largest: float
    far_row: int


def _sizes(rows: Rows, first: int, mask: NDArray[np.bool_] | None) -> _Sizes:
    read = as_float(rows)
    if mask is not None:
        read[~mask] = 0
    sizes = np.abs(read).max(axis=1)
    bad = ~np.isfinite(sizes)
    sizes[bad] = 0
    far = int(sizes.argmax())
    return _Sizes(int(bad.sum()), first + int(bad.argmax()), float(sizes[far]), first + far)


def nonfinite_error(pool: Pool, eligible: Any, rows: tuple[int, int] | None = None) -> ValueError:
    """Return the error that says how many rows are not finite, and which is the first.

    It counts within a range of `rows` if one is given. `eligible` has one entry per row of the
    pool. Call it once a pass has met such a row; it reads the pool again to count them.
    """
    first_row, end = rows or (0, pool.n)
    said = map_chunks(pool, _sizes, chunk_size(pool, None), eligible, rows=(first_row, end))
    reports = [sizes for _, _, sizes in said if sizes is not None]
    count = sum(sizes.bad for sizes in reports)
    if count:
        first = min(sizes.first for sizes in reports if sizes.bad)
        if fault := pool.fault(first):
            return ValueError(f"{fault}; {count} of {end - first_row} rows hold no finite vector")
        return ValueError(
            f"embeddings: {count} of {end - first_row} rows hold NaN or infinite values, the "
            f"first is row {first}; needs finite values"
        )
    far = max(reports, key=lambda sizes: (sizes.largest, -sizes.far_row))
    return ValueError(
        f"embeddings: the largest value is {far.largest:.3g}, in row {far.far_row}; needs values "
        "closer to those of other rows: exclude that row, or rescale"
    )
