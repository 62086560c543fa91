"""A pool cut into chunks of rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ally_fast import checks
from ally_fast.pools.pool import Pool

_CHUNK_BYTES = 64 << 20
_FEWEST_ROWS = 16384


def chunk_size(pool: Pool, chunk_rows: Any) -> int:
    """Return the rows to read at once: `chunk_rows`, or about 64 MiB of them."""
    if chunk_rows is not None:
        return checks.integer(chunk_rows, "chunk_rows", 1)
    return max(_FEWEST_ROWS, _CHUNK_BYTES // max(1, pool.d * pool.itemsize))


def chunks(n: int, rows: int) -> Iterator[tuple[int, int]]:
    """Yield (lo, hi) that cover [0, n) in order."""
    for lo in range(0, n, rows):
        yield lo, min(n, lo + rows)
