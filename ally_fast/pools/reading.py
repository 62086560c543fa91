"""Passes over a pool. If reading takes work, threads read ahead in parallel."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from queue import Empty, Full, Queue
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ally_fast import _settings
from ally_fast.pools.chunks import chunk_size, chunks
from ally_fast.pools.pool import Pool
from ally_fast.pools.remote_pool import RemotePool
from ally_fast.rows import Rows

Answer = TypeVar("Answer")
# Computes an answer from rows, the index of the first row, and a mask of the wanted ones.
SayOfRows = Callable[[Rows, int, NDArray[np.bool_] | None], Answer]
# The steps of one reader, in order; a reader can stop between two of them.
Steps = Iterator[Callable[[], Answer]]

MOST_READERS = 8  # each holds a chunk
_reader = threading.local()
_PATIENCE = 0.1  # seconds between two looks at whether to stop


def read_chunks(
    pool: Pool,
    chunk_rows: int,
    *,
    rows: tuple[int, int] | None = None,
    wanted: NDArray[np.bool_] | None = None,
) -> Iterator[tuple[int, int, Rows | None]]:
    """Yield (lo, hi, rows ``lo`` to ``hi``) that cover a range of rows, each once.

    Parameters
    ----------
    pool : Pool
        The pool; its file is checked after each chunk was used.
    chunk_rows : int
        The most rows in a chunk.
    rows : (int, int), optional
        The range; by default all rows.
    wanted : ndarray of bool, shape (n,), optional
        Chunks without wanted rows are not read; None takes the place of their rows.

    Notes
    -----
    If the pool streams its rows, chunks come in the order in which they are ready, and up to 16 of
    them are held. From any other pool they come in order, one at a time.
    """

    def step(lo: int, hi: int) -> tuple[int, int, Rows | None]:
        needed = wanted is None or wanted[lo:hi].any()
        return lo, hi, pool.read(lo, hi) if needed else None

    def steps(lo: int, hi: int) -> Steps[tuple[int, int, Rows | None]]:
        return (partial(step, *chunk) for chunk in chunks(hi, chunk_rows, lo))

    units = pool.units(*(rows or (0, pool.n)))
    for item in _answers(pool, [steps(lo, hi) for lo, hi in units]):
        yield item
        pool.check()


def map_chunks(
    pool: Pool,
    function: SayOfRows[Answer],
    chunk_rows: int,
    wanted: NDArray[np.bool_] | None,
    *,
    rows: tuple[int, int] | None = None,
) -> Iterator[tuple[int, int, Answer | None]]:
    """Yield (lo, hi, the function's answer for rows ``lo`` to ``hi``), as `read_chunks` does.

    If workers read the rows, the function is called there instead; it must pickle.
    """

    def mask(lo: int, hi: int) -> NDArray[np.bool_] | None:
        return None if wanted is None else wanted[lo:hi]

    if not isinstance(pool, RemotePool):
        for lo, hi, read in read_chunks(pool, chunk_rows, rows=rows, wanted=wanted):
            yield lo, hi, None if read is None else function(read, lo, mask(lo, hi))
        return
    remote = pool.put(function)

    def step(lo: int, hi: int) -> tuple[int, int, Answer | None]:
        needed = wanted is None or wanted[lo:hi].any()
        return lo, hi, pool.apply(remote, lo, hi, mask(lo, hi)) if needed else None

    def steps(lo: int, hi: int) -> Steps[tuple[int, int, Answer | None]]:
        return (partial(step, *chunk) for chunk in chunks(hi, chunk_rows, lo))

    yield from _answers(pool, [steps(lo, hi) for lo, hi in pool.units(*(rows or (0, pool.n)))])


def gather_chunks(
    pool: Pool, indices: NDArray[np.int64], chunk_rows: int
) -> Iterator[tuple[slice, Rows]]:
    """Yield (part, the rows at ``indices[part]``) for parts that cover sorted indices.

    Parts come in the same order as the chunks of `read_chunks`.
    """

    def step(lo: int, hi: int) -> tuple[slice, Rows]:
        first, end = int(indices[lo]), int(indices[hi - 1]) + 1
        whole = end - first == hi - lo
        return slice(lo, hi), pool.read(first, end) if whole else pool.gather(indices[lo:hi])

    def steps(lo: int, hi: int) -> Steps[tuple[slice, Rows]]:
        return (partial(step, *chunk) for chunk in chunks(hi, chunk_rows, lo))

    bounds = [np.searchsorted(indices, unit) for unit in pool.units(0, pool.n)]
    yield from _answers(pool, [steps(int(lo), int(hi)) for lo, hi in bounds if lo < hi])


def gather_rows(pool: Pool, indices: NDArray[np.int64]) -> Rows:
    """Return the rows at sorted indices, in one array."""
    if not pool.streamed or not len(indices):
        return pool.gather(indices)
    parts = sorted(
        gather_chunks(pool, indices, chunk_size(pool, None)), key=lambda chunk: chunk[0].start
    )
    arrays = [rows.array for _, rows in parts]
    return Rows(np.concatenate(arrays), parts[0][1].bf16)


def reader_number() -> int:
    """Return the number of this thread among the readers of a pass; each opens its own files."""
    return getattr(_reader, "number", 0)


def _answers(pool: Pool, units: Sequence[Steps[Answer]]) -> Iterator[Answer]:
    if pool.streamed:
        readers = pool.readers or min(_settings.threads(), MOST_READERS)
        yield from _side_by_side(
            units, readers, pool.cancel if isinstance(pool, RemotePool) else None
        )
    else:
        for steps in units:
            for step in steps:
                yield step()


def _side_by_side(
    units: Sequence[Steps[Answer]], readers: int, cancel: Callable[[], None] | None
) -> Iterator[Answer]:
    """Yield the answers of the steps of all units; one thread does each unit, in order."""
    readers = min(len(units), readers)
    ready: Queue[tuple[Answer | None, BaseException | None, bool]] = Queue(max(1, readers))
    stop = threading.Event()
    left = iter(units)
    turn = threading.Lock()

    def put(item: tuple[Answer | None, BaseException | None, bool]) -> None:
        while not stop.is_set():
            try:
                return ready.put(item, timeout=_PATIENCE)
            except Full:
                continue

    def run(number: int) -> None:
        _reader.number = number
        try:
            while not stop.is_set():
                with turn:
                    steps = next(left, None)
                if steps is None:
                    break
                for step in steps:
                    if stop.is_set():
                        return
                    put((step(), None, False))
            put((None, None, True))
        except BaseException as error:  # raised in the thread that waits for the rows
            put((None, error, True))

    threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(readers)]
    running = readers
    try:
        for thread in threads:
            thread.start()
        while running:
            value, error, ended = ready.get()
            if error is not None:
                raise error
            if ended:
                running -= 1
            else:
                yield value  # type: ignore[misc]
    finally:
        stop.set()
        if running and cancel is not None:
            cancel()
        while any(thread.is_alive() for thread in threads):
            try:  # make room, so that no reader waits
                ready.get(timeout=_PATIENCE)
            except Empty:
                continue
