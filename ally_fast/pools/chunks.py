"""A pool cut into chunks of rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ally_fast import checks
from ally_fast.pools.pool import Pool

_CHUNK_BYTES = 64 << 20
_FEWEST_ROWS = 16384
_DEVICE_ROWS = 1 << 22  # rows on a GPU are not moved: a few calls that each fill the device


def chunk_size(pool: Pool, chunk_rows: Any) -> int:
    """Return the number of rows to read at once.

    It is `chunk_rows` if that is given. Otherwise a chunk has about 64 MiB, or 16 MiB if several
    are read ahead; on a GPU it has 2**22 rows.
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

    If you pass the `pool` that you read, its file is checked after each chunk was used.
    """
    for lo in range(first, n, rows):
        yield lo, min(n, lo + rows)
        if pool is not None:
            pool.check()
