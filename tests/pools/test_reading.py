"""Passes over pools: every row once, whoever reads it; errors and stops come through."""

import threading
import time

import numpy as np
import pytest

import ally_fast
from ally_fast.pools import HostPool, Rows
from ally_fast.pools.reading import gather_chunks, gather_rows, read_chunks

N, D = 100, 3
BOUNDS = (0, 30, 30, 55, 56, 100)


class Streamed(HostPool):
    """Rows of an array, in units, some of them slow; counts what is read at the same time."""

    streamed = True

    def __init__(self, array, fail_at=None, delay=0.0):
        self.array = array
        self.n, self.d = array.shape
        self.dtype_name, self.itemsize = array.dtype.name, array.itemsize
        self.fail_at, self.delay = fail_at, delay
        self.inside = self.most = 0
        self.lock = threading.Lock()
        self.threads = set()

    def units(self, lo, hi):
        bounds = np.unique(np.clip(BOUNDS, lo, hi))
        return list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))

    def read(self, lo, hi):
        with self.lock:
            self.threads.add(threading.current_thread())
            self.inside += 1
            self.most = max(self.most, self.inside)
        time.sleep(self.delay)
        with self.lock:
            self.inside -= 1
        if self.fail_at is not None and lo <= self.fail_at < hi:
            raise ValueError(f"row {self.fail_at} cannot be read")
        return Rows(self.array[lo:hi])

    def gather(self, indices):
        return Rows(self.array[indices])


@pytest.fixture
def array(rng):
    return rng.normal(size=(N, D)).astype(np.float32)


@pytest.fixture(autouse=True)
def several_threads(monkeypatch):
    monkeypatch.setenv("ALLY_FAST_THREADS", "4")


def alive(pool):
    return [
        thread
        for thread in pool.threads
        if thread.is_alive() and thread is not threading.main_thread()
    ]


@pytest.mark.parametrize("rows", [None, (0, 0), (10, 57), (30, 31)])
@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_every_row_comes_once(chunk, rows, array):
    lo, hi = rows or (0, N)
    seen = np.zeros(N, int)
    for first, end, part in read_chunks(Streamed(array), chunk, rows=rows):
        np.testing.assert_array_equal(part.array, array[first:end])
        seen[first:end] += 1
    assert (seen[lo:hi] == 1).all()
    assert seen.sum() == hi - lo


def test_chunks_that_are_not_wanted_are_not_read(array):
    wanted = np.zeros(N, bool)
    wanted[[33, 99]] = True
    pool = Streamed(array, fail_at=0)
    parts = [(lo, hi) for lo, hi, rows in read_chunks(pool, 10, wanted=wanted) if rows is not None]
    assert sorted(parts) == [(30, 40), (96, 100)]


@pytest.mark.parametrize("size", [0, 1, 20, N])
def test_rows_at_indices(size, array, rng):
    indices = np.sort(rng.choice(N, size, replace=False))
    found = np.zeros((size, D))
    for part, rows in gather_chunks(Streamed(array), indices, 6):
        found[part] = rows.array
    np.testing.assert_array_equal(found, array[indices])
    np.testing.assert_array_equal(gather_rows(Streamed(array), indices).array, array[indices])


def test_readers_work_side_by_side_and_end(array):
    pool = Streamed(array, delay=0.02)
    list(read_chunks(pool, 5))
    assert pool.most > 1
    assert not alive(pool)


def test_a_reader_that_fails_ends_the_pass(array):
    pool = Streamed(array, fail_at=40)
    with pytest.raises(ValueError, match="row 40 cannot be read"):
        list(read_chunks(pool, 5))
    assert not alive(pool)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError])
def test_a_user_that_stops_ends_the_readers(stop, array):
    pool = Streamed(array, delay=0.01)

    def use():
        for _ in read_chunks(pool, 2):
            raise stop

    with pytest.raises(stop):
        use()
    assert not alive(pool)


@pytest.mark.parametrize("threads", ["1", "2", "5"])
def test_the_batch_does_not_depend_on_who_reads(threads, array, rng, monkeypatch):
    monkeypatch.setenv("ALLY_FAST_THREADS", threads)
    scores = rng.random(N)
    options = {"exclude": np.arange(20, 40), "radius": 0.3, "labeled_embeddings": array[:2]}
    for given in ({}, options):
        expected = ally_fast.select(array, scores, 20, 7, **given)
        found = ally_fast.select(Streamed(array, delay=0.001), scores, 20, 7, chunk_rows=9, **given)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("chunk", [3, 9, 40, 200])
def test_picks_are_not_read_again_and_their_distances_are_the_same(chunk, metric, array, rng):
    """They are taken while the rows are at hand, if a chunk is no smaller than the batch."""
    scores = rng.random(N)
    gathered = []

    class Watched(Streamed):
        def gather(self, indices):
            gathered.append(len(indices))
            return super().gather(indices)

    options = {"centroids": array[:7], "metric": metric, "return_info": True}
    expected, told = ally_fast.select(array, scores, 20, 7, **options)
    found, info = ally_fast.select(Watched(array), scores, 20, 7, chunk_rows=chunk, **options)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(info.distances, told.distances)
    assert bool(gathered) == (chunk < 27)
