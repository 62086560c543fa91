"""A pool cut into chunks of rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ally_fast import checks
from ally_fast.pools.pool import Pool

_CHUNK_BYTES = 64 << 20
_FEWEST_ROWS = 16384
_DEVICE_ROWS = 1 << 22  # on a GPU rows are not moved: few calls, each with work for all of it


def chunk_size(pool: Pool, chunk_rows: Any) -> int:
    """Return the rows to read at once: `chunk_rows`, or about 64 MiB of them; on a GPU 2**22.

    Where several chunks are read ahead, each has 16 MiB.
    """
    if chunk_rows is not None:
        return checks.integer(chunk_rows, "chunk_rows", 1)
    if pool.device != "cpu":
        return _DEVICE_ROWS
    total = _CHUNK_BYTES // 4 if pool.streamed else _CHUNK_BYTES
    return max(_FEWEST_ROWS, total // max(1, pool.d * pool.itemsize))


def chunks(
    n: int, rows: int, first: int = 0, pool: Pool | None = None
) -> Iterator[tuple[int, int]]:
    """Yield (lo, hi) that cover [first, n) in order.

    With the `pool` that is read so, its file is checked after each chunk was used.
    """
    for lo in range(first, n, rows):
        yield lo, min(n, lo + rows)
        if pool is not None:
            pool.check()
