"""Rows taken and arrays joined."""

import numpy as np

from ally_fast.ops.rows import join, take_rows


def test_take_rows(rng):
    rows = rng.normal(size=(9, 3)).astype(np.float32)
    taken = take_rows(rows, np.array([7, 0, 7]))
    np.testing.assert_array_equal(taken, [rows[7], rows[0], rows[7]])
    assert taken.dtype == np.float32
    assert taken.flags.c_contiguous
    assert not np.shares_memory(taken, rows)


def test_join():
    joined = join(np.array([3, 1], np.int32), np.array([2], np.int32))
    assert joined.tolist() == [3, 1, 2]
    assert joined.dtype == np.int32
