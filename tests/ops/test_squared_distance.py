"""Exact squared distances, bit for bit."""

import numpy as np
import pytest
import reference
from cases import DTYPES, HARD_POOLS, LAYOUTS, RUNNABLE_ISAS, hard_pool, lay_out, tables
from hypothesis import given
from hypothesis import strategies as st

from ally_fast import _cpu


def run(rows, centroids, assignments, isa=RUNNABLE_ISAS[0], *, threads=2, **options):
    table = _cpu.PackedPoints(np.ascontiguousarray(centroids), isa)
    return _cpu.squared_distances(
        rows, table, np.asarray(assignments, dtype=np.int32), threads=threads, **options
    )


@given(table=tables(st.integers(0, 60)), seed=st.integers(0, 1000))
def test_is_the_reference(table, seed):
    rows, centroids = table
    assignments = np.random.default_rng(seed).integers(0, len(centroids), size=len(rows))
    np.testing.assert_array_equal(
        run(rows, centroids, assignments),
        reference.paired_squared_distance(rows, centroids, assignments),
    )


@pytest.mark.parametrize("pool", HARD_POOLS)
def test_is_the_reference_on_hard_pools(pool, rng, isa):
    rows, centroids = hard_pool(pool, rng, 200, 10, 37)
    assignments = rng.integers(0, 10, size=200)
    np.testing.assert_array_equal(
        run(rows, centroids, assignments, isa),
        reference.paired_squared_distance(rows, centroids, assignments),
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids="dtype={}".format)
def test_normalized_rows_at_positions(layout, dtype, rng, threads):
    rows, centroids = hard_pool("plain", rng, 200, 10, 13)
    rows = rows.astype(dtype)
    rows[5] = 0
    positions = np.append(rng.permutation(200)[:90], 5).astype(np.int64)
    assignments = rng.integers(0, 10, size=91)
    np.testing.assert_array_equal(
        run(
            lay_out(rows, layout),
            centroids,
            assignments,
            normalize=True,
            positions=positions,
            threads=threads,
        ),
        reference.paired_squared_distance(
            reference.normalize_rows(rows[positions]), centroids, assignments
        ),
    )
