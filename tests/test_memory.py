"""Arrays made, taken and joined where others are."""

import numpy as np
import pytest

from ally_fast.memory import take_rows, zeros


def test_take_rows(rng):
    rows = rng.normal(size=(9, 3)).astype(np.float32)
    taken = take_rows(rows, np.array([7, 0, 7]))
    np.testing.assert_array_equal(taken, [rows[7], rows[0], rows[7]])
    assert taken.dtype == np.float32
    assert taken.flags.c_contiguous
    assert not np.shares_memory(taken, rows)


@pytest.mark.parametrize(("shape", "dtype"), [((3, 2), np.int64), ((0,), np.float32)], ids=str)
def test_zeros(shape, dtype):
    made = zeros(shape, dtype, np.ones(1))
    assert (made.shape, made.dtype) == (shape, dtype)
    assert not made.any()
