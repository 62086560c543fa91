"""One pass over a pool, which reads and assigns every chunk once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.cluster.engine import Assigner
from ally_fast.memory import to_host
from ally_fast.pools.finite import nonfinite_error
from ally_fast.pools.pool import Pool
from ally_fast.pools.reading import read_chunks
from ally_fast.rows import Rows

# Called with the number of the assigner, what it found, the rows, and the index of the first.
Take = Callable[[int, Any, Rows, int], None]


def assign_chunks(
    pool: Pool,
    assigners: Sequence[Assigner],
    eligible: NDArray[np.bool_] | None,
    take: Take,
    *,
    rows: tuple[int, int],
    chunk_rows: int,
    advance: Callable[[int], None],
) -> None:
    """Assign every chunk that holds eligible rows, and pass the result to `take`.

    The rows from ``rows[0]`` to ``rows[1]`` (exclusive) are cut into one range for each assigner;
    the assigners work side by side. `advance` is called with the number of rows done.

    Raises
    ------
    ValueError
        If an eligible row is not finite.
    """
    stopped = Event()
    first, count = rows[0], rows[1] - rows[0]
    bounds = [first + count * part // len(assigners) for part in range(len(assigners) + 1)]

    def run(part: int) -> None:
        assigner = assigners[part]
        try:
            within = (bounds[part], bounds[part + 1])
            for lo, hi, read in read_chunks(pool, chunk_rows, rows=within, wanted=eligible):
                if read is not None:
                    mask = None if eligible is None else eligible[lo:hi]
                    take(part, assigner(read, mask), read, lo)
                if stopped.is_set() or assigner.met_nonfinite(wait=False):
                    break
                advance(hi - lo)
            if assigner.met_nonfinite(wait=True):
                raise nonfinite_error(pool, eligible, rows)
        except BaseException:
            stopped.set()
            raise

    if len(assigners) == 1:
        run(0)
        return
    with ThreadPoolExecutor(len(assigners)) as threads:
        try:
            list(threads.map(run, range(len(assigners))))
        except BaseException:  # Ctrl-C comes here; the threads stop after their chunk
            stopped.set()
            raise


def assign_pool(
    pool: Pool,
    assigners: Sequence[Assigner],
    eligible: NDArray[np.bool_] | None,
    *,
    rows: tuple[int, int],
    chunk_rows: int,
    advance: Callable[[int], None],
    also: Take | None = None,
) -> NDArray[np.int32]:
    """Return the cluster of each of the `rows`, -1 if not eligible, shape (rows,).

    Each chunk that was read is passed to `also` as well.

    Raises
    ------
    ValueError
        If an eligible row is not finite.
    """
    first = rows[0]
    assignments = np.full(rows[1] - first, -1, np.int32)
    late: list[tuple[int, int, Any]] = []  # in device memory: fetched once all is queued

    def take(number: int, clusters: Any, read: Rows, lo: int) -> None:
        hi = lo + len(read)
        if isinstance(clusters, np.ndarray):
            assignments[lo - first : hi - first] = clusters
        else:
            late.append((lo, hi, clusters))
        if also is not None:
            also(number, clusters, read, lo)

    assign_chunks(
        pool, assigners, eligible, take, rows=rows, chunk_rows=chunk_rows, advance=advance
    )
    for lo, hi, clusters in late:
        assignments[lo - first : hi - first] = to_host(clusters)
    return assignments
