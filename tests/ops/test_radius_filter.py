"""Rows within a radius of others, exactly."""

import numpy as np
import pytest
import reference
from cases import DTYPES, HARD_POOLS, LAYOUTS, RUNNABLE_ISAS, hard_pool, lay_out, tables
from hypothesis import given
from hypothesis import strategies as st

from ally_fast import _cpu


def run(rows, others, radius, isa, *, normalize=False, positions=None, threads=2, bf16=False):
    table = _cpu.PackedPoints(np.ascontiguousarray(others), isa)
    return _cpu.radius_filter(
        rows,
        table,
        radius,
        bf16=bf16,
        normalize=normalize,
        positions=positions,
        threads=threads,
    )


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@given(table=tables(st.integers(0, 60)), scale=st.sampled_from([0.1, 0.5, 0.9, 1.0, 2.0]))
def test_is_the_reference(isa, table, scale):
    rows, others = table
    typical = np.sqrt(np.median(reference.squared_distance(rows, others))) if len(rows) else 1.0
    radius = float(typical * scale) or 1.0
    np.testing.assert_array_equal(
        run(rows, others, radius, isa), reference.radius_filter(rows, others, radius)
    )


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@pytest.mark.parametrize("pool", HARD_POOLS)
def test_is_the_reference_where_many_rows_lie_on_the_circle(isa, pool, rng):
    rows, others = hard_pool(pool, rng, 300, 20, 16)
    distances = np.sqrt(reference.squared_distance(rows, others).min(axis=1))
    for radius in np.quantile(distances, [0.25, 0.75], method="nearest"):
        if radius > 0:
            np.testing.assert_array_equal(
                run(rows, others, float(radius), isa),
                reference.radius_filter(rows, others, float(radius)),
            )


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
def test_a_row_exactly_at_the_radius_is_within(isa):
    rows = np.array([[3.0, 4.0], [3.0, np.nextafter(4.0, 5.0)], [0.0, 0.0]])
    assert run(rows, [[0.0, 0.0]], 5.0, isa).tolist() == [True, False, True]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids="dtype={}".format)
def test_normalized_rows_at_positions(layout, dtype, rng, isa):
    rows, others = hard_pool("plain", rng, 200, 10, 5)
    rows, others = rows.astype(dtype), reference.normalize_rows(others)
    positions = rng.permutation(200)[:90].astype(np.int64)
    np.testing.assert_array_equal(
        run(lay_out(rows, layout), others, 0.8, isa, normalize=True, positions=positions),
        reference.radius_filter(reference.normalize_rows(rows[positions]), others, 0.8),
    )


def test_many_points(rng, isa):
    rows, others = hard_pool("plain", rng, 200, 5000, 6)
    for radius in (0.3, 1.0):
        np.testing.assert_array_equal(
            run(rows, others, radius, isa), reference.radius_filter(rows, others, radius)
        )


def test_any_number_of_threads(threads, rng, isa):
    rows, others = hard_pool("plain", rng, 3000, 50, 8)
    np.testing.assert_array_equal(
        run(rows, others, 1.5, isa, threads=threads), reference.radius_filter(rows, others, 1.5)
    )
