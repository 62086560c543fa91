"""Memory maps of files that others truncate, change or replace."""

import os
import pickle
import shutil

import numpy as np
import pytest

import ally_fast
from ally_fast.pools import ArrayPool, open_pool, read_column
from ally_fast.pools.mapped_file import MappedFile, in_memory
from ally_fast.selection.scores import Scores
from ally_fast.strategies import BADGE, CoreSet
from ally_fast.strategies.contract import Context

N, D = 5_000, 4  # 80 kB: many pages
CHANGED = r"pool\.npy: the file changed while it was read"


@pytest.fixture
def rows(rng):
    return rng.normal(size=(N, D)).astype(np.float32)


@pytest.fixture
def path(tmp_path, rows):
    np.save(tmp_path / "pool.npy", rows)
    return tmp_path / "pool.npy"


def truncate(path):
    os.truncate(path, 4096)


def touch(path):
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))


def grow(path):
    with path.open("ab") as file:
        file.write(b"more")


def replace(path):
    copy = path.with_name("copy.npy")
    shutil.copy2(path, copy)
    copy.replace(path)


CHANGES = [truncate, touch, grow, replace]


def opened(path):
    return open_pool(path)


def mapped(path):
    return ArrayPool(np.load(path, mmap_mode="r"))


def part_of_a_map(path):
    return ArrayPool(np.asarray(np.load(path, mmap_mode="r"))[::2][:, 1:])


def raw(path):
    return ArrayPool(np.memmap(path, np.int8, "r", 128, (N, 2)))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("open_file", [opened, mapped, part_of_a_map, raw])
def test_a_change_is_found_before_pages_are_touched(open_file, change, path):
    pool = open_file(path)
    pool.read(0, 10)
    pool.gather(np.array([3]))
    change(path)
    for read in (lambda: pool.read(10, 20), lambda: pool.gather(np.array([7])), pool.check):
        with pytest.raises(ValueError, match=CHANGED):
            read()


def test_a_file_that_is_removed_stays_mapped(path, rows):
    pool = open_pool(path)
    path.unlink()
    np.testing.assert_array_equal(pool.read(0, N).array, rows)


@pytest.mark.parametrize("mode", ["r+", "c"])
def test_of_a_writable_map_only_the_size_counts(mode, path):
    array = np.load(path, mmap_mode=mode)
    pool = ArrayPool(array)
    array[0, 0] = 7
    array.flush()
    touch(path)
    assert pool.read(0, 1).array[0, 0] == 7
    truncate(path)
    with pytest.raises(ValueError, match=CHANGED):
        pool.read(0, 1)


def test_arrays_in_memory_have_no_file(path, rows):
    for array in (rows, rows[::2], np.array(np.load(path, mmap_mode="r"))):
        assert MappedFile.under(array) is None
        assert in_memory(array) is array


def test_a_map_of_a_nameless_file(path):
    with path.open("r+b") as file:
        descriptor = os.dup(file.fileno())
    with os.fdopen(descriptor, "r+b") as file:  # its name is a number
        pool = ArrayPool(np.memmap(file, np.float32, "r", 128, (N, D)))
    pool.read(0, 1)
    truncate(path)
    with pytest.raises(ValueError, match="a memory map: the file changed while it was read"):
        pool.read(0, 1)


def test_a_pickled_array_holds_its_rows(path, rows):
    pool = pickle.loads(pickle.dumps(ArrayPool(np.load(path, mmap_mode="r"))))
    truncate(path)
    np.testing.assert_array_equal(pool.read(0, N).array, rows)


def test_a_pickled_pool_of_files_opens_them_again(path, rows):
    packed = pickle.dumps(open_pool(path))
    np.testing.assert_array_equal(pickle.loads(packed).read(0, N).array, rows)
    truncate(path)
    with pytest.raises(ValueError, match=CHANGED):
        pickle.loads(packed).read(0, N)


def test_values_in_memory_are_read_between_checks(path, rows, monkeypatch):
    array = np.load(path, mmap_mode="r")
    np.testing.assert_array_equal(in_memory(array), rows)
    assert not isinstance(in_memory(array), np.memmap)
    monkeypatch.setattr(np, "array", lambda given: touch(path))
    with pytest.raises(ValueError, match=CHANGED):
        in_memory(array)


@pytest.mark.parametrize("change", CHANGES)
def test_scores(change, path, rows):
    np.save(path, np.arange(N, dtype=np.float64))
    scores = Scores(read_column(path), N)
    assert scores.read(3, 5).tolist() == [3, 4]
    change(path)
    with pytest.raises(ValueError, match=CHANGED):
        scores.read(5, 7)


class ChangedBehind(ArrayPool):
    """A pool whose file changes once the last row has been handed out."""

    def __init__(self, path):
        super().__init__(np.load(path, mmap_mode="r"))
        self._path = path

    def read(self, lo, hi):
        rows = super().read(lo, hi)
        if hi == self.n:
            touch(self._path)
        return rows


USES = {
    "select": lambda pool: ally_fast.select(pool, np.zeros(N), 3, 2, chunk_rows=1000),
    "one chunk": lambda pool: ally_fast.select(pool, np.zeros(N), 3, 2),
    "with sizes": lambda pool: ally_fast.select(pool, np.zeros(N), 3, 2, allocation="sqrt"),
    "kmeans": lambda pool: ally_fast.kmeans(pool, 2, train_size=None),
    "assign": lambda pool: ally_fast.assign(pool, np.eye(2, D, dtype=np.float32)),
    "core-set": lambda pool: CoreSet().query(
        Context(embeddings=pool, labeled_embeddings=np.zeros((1, D))), 3
    ),
    "BADGE": lambda pool: BADGE().query(
        Context(embeddings=pool, probabilities=np.full((N, 2), 0.5)), 3
    ),
}


@pytest.mark.parametrize("use", USES)
def test_a_change_after_the_last_chunk_was_read(use, path):
    with pytest.raises(ValueError, match=CHANGED):
        USES[use](ChangedBehind(path))
