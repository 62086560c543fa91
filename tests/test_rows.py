"""What an op sees of rows: the core's `RowsView`, in Python."""

import numpy as np
import pytest

from ally_fast.ops.assign import assign, packed_points, squared_distances
from ally_fast.ops.load_rows import load_rows
from ally_fast.ops.radius_filter import radius_filter
from ally_fast.rows import Rows

POSITIONS = np.array([5, 0, 5, 8])


def test_length_is_that_of_the_rows_visited():
    rows = Rows(np.zeros((9, 2)))
    assert (len(rows), len(rows.seen(True, POSITIONS)), len(rows.taken(slice(2, 5)))) == (9, 4, 3)
    assert len(rows.seen(False, POSITIONS).taken(np.arange(3))) == 3


def test_seen_leaves_memory_and_dtype():
    rows = Rows(np.zeros((9, 2), np.uint16), bf16=True)
    seen = rows.seen(True, POSITIONS)
    assert seen.array is rows.array
    assert seen.view == {"bf16": True, "normalize": True, "positions": POSITIONS}
    assert rows.view == {"bf16": True, "normalize": False, "positions": None}


@pytest.mark.parametrize("bf16", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("normalize", [False, True])
def test_every_op_sees_them_alike(bf16, normalize, rng):
    """Rows by position and of narrow type give what the same rows give on their own."""
    bits = (rng.normal(size=(9, 6)).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    wide = (bits.astype(np.uint32) << 16).view(np.float32)
    rows = Rows(bits, True) if bf16 else Rows(wide)
    unit = np.empty((4, 6), np.float32)
    assert load_rows(rows.seen(normalize, POSITIONS), unit, np.arange(4))
    if normalize:
        np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, rtol=1e-6)  # of float32
    else:
        np.testing.assert_array_equal(unit, wide[POSITIONS])
    table = packed_points(unit[:3] * np.float32(1.01))
    clusters = np.array([0, 1, 2, 0], np.int32)
    for op in (
        lambda rows: assign(rows, table)[0],
        lambda rows: squared_distances(rows, table, clusters),
        lambda rows: radius_filter(rows, table, 0.05),
    ):
        np.testing.assert_array_equal(op(rows.seen(normalize, POSITIONS)), op(Rows(unit)))
