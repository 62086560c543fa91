"""Pools of shards; what holds for shards of every format is in test_readers.py."""

import numpy as np
import pytest

from ally_fast.pools import open_pool

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


def test_more_shards_than_may_be_open(tmp_path):
    for number in range(80):
        np.save(tmp_path / f"{number}.npy", np.full((2, D), number, np.float16))
    pool = open_pool(tmp_path)
    for _ in range(2):
        everything = pool.read(0, 160).array
        np.testing.assert_array_equal(everything[:, 0], np.repeat(np.arange(80), 2))


def test_a_file_named_twice_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"a\.npy: is named twice"):
        open_pool([tmp_path, tmp_path / "a.npy"])


def test_a_list_of_files_with_keys(tmp_path, rng):
    rows = rng.normal(size=(8, 2))
    for name in "ab":
        np.savez(tmp_path / f"{name}.npz", x=rows[:4], y=rows[4:])
    pool = open_pool([f"{tmp_path}/a.npz:y", f"{tmp_path}/b.npz:y"])
    np.testing.assert_array_equal(pool.read(0, 4).array, rows[4:])
    with pytest.raises(ValueError, match="different keys: x and y"):
        open_pool([f"{tmp_path}/a.npz:x", f"{tmp_path}/b.npz:y"])
