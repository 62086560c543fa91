"""Pools of shards: the rows of files, one after the other."""

import numpy as np
import pytest

from ally_fast.pools import ShardedPool, open_pool

SIZES = (5, 0, 7, 1, 12)
N, D = sum(SIZES), 3


@pytest.fixture
def rows(rng):
    return rng.normal(size=(N, D)).astype(np.float16)


@pytest.fixture
def folder(rows, tmp_path):
    """Return a folder of shards; ``part-10`` comes last."""
    starts = np.cumsum([0, *SIZES])
    for number, name in enumerate((1, 2, 3, 9, 10)):
        np.save(tmp_path / f"part-{name}.npy", rows[starts[number] : starts[number + 1]])
    return tmp_path


def test_files_of_a_folder_come_in_natural_order(folder, rows):
    pool = open_pool(folder)
    assert isinstance(pool, ShardedPool)
    assert (pool.n, pool.d, pool.dtype_name) == (N, D, "float16")
    np.testing.assert_array_equal(pool.read(0, N).array, rows)


def test_a_pattern_gives_the_same_order_as_the_folder(folder, rows):
    np.testing.assert_array_equal(open_pool(f"{folder}/part-*.npy").read(0, N).array, rows)


def test_a_list_keeps_its_order(folder, rows):
    pool = open_pool([folder / "part-10.npy", folder / "part-1.npy"])
    np.testing.assert_array_equal(pool.read(0, 17).array, np.concatenate([rows[13:], rows[:5]]))


def test_every_range(folder, rows):
    pool = open_pool(folder)
    for lo in range(N + 1):
        for hi in range(lo, N + 1):
            np.testing.assert_array_equal(pool.read(lo, hi).array, rows[lo:hi])


def test_gather(folder, rows, rng):
    pool = open_pool(folder)
    for size in (0, 1, 4, N):
        indices = np.sort(rng.choice(N, size, replace=False))
        np.testing.assert_array_equal(pool.gather(indices).array, rows[indices])


def test_the_place_of_a_row(folder):
    pool = open_pool(folder)
    assert [pool.place(row) for row in (0, 4, 5, 12, 13, 24)] == [
        (0, 0),
        (0, 4),
        (2, 0),
        (3, 0),
        (4, 0),
        (4, 11),
    ]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((2, D + 1), np.float16), r"part-4\.npy: holds vectors of 4 values, needs 3 as"),
        (np.zeros((2, D), np.float32), r"part-4\.npy: holds float32, needs float16 as in .*part-1"),
    ],
    ids=["width", "dtype"],
)
def test_shards_that_differ(bad, message, folder):
    np.save(folder / "part-4.npy", bad)
    with pytest.raises(ValueError, match=message):
        open_pool(folder)


def test_more_shards_than_may_be_open(tmp_path):
    for number in range(80):
        np.save(tmp_path / f"{number}.npy", np.full((2, D), number, np.float16))
    pool = open_pool(tmp_path)
    for _ in range(2):
        everything = pool.read(0, 160).array
        np.testing.assert_array_equal(everything[:, 0], np.repeat(np.arange(80), 2))


def test_a_shard_that_changes_is_named(folder, rows):
    pool = open_pool(folder)
    pool.read(0, N)
    pool.check()
    np.save(folder / "part-3.npy", np.zeros((8, D), np.float16))
    with pytest.raises(ValueError, match=r"part-3\.npy: the file changed while it was read"):
        pool.read(0, N)
