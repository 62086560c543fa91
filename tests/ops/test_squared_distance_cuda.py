"""Exact squared distances on the GPU: bit for bit the CPU's."""

import numpy as np
import pytest
from cases import DTYPES, HARD_POOLS, LAYOUTS, hard_pool, lay_out
from cuda_arrays import put, put_view

from ally_fast import _cpu

pytestmark = pytest.mark.gpu

ISA = _cpu.isas()[0]


def check(rows, centroids, assignments, stream, *, positions=None, **options):
    from ally_fast import _cuda

    out = put(np.full(len(assignments), np.nan), stream)
    _cuda.squared_distances(
        put_view(rows, stream),
        _cuda.PackedPoints(put(centroids, stream)),
        put(assignments, stream),
        out,
        positions=None if positions is None else put(positions, stream),
        **options,
    )
    table = _cpu.PackedPoints(centroids, ISA)
    expected = _cpu.squared_distances(rows, table, assignments, positions=positions, **options)
    np.testing.assert_array_equal(out.to_host(), expected)


def draw(rng, count, k):
    return rng.integers(0, k, size=count).astype(np.int32)


@pytest.mark.parametrize("pool", HARD_POOLS)
def test_is_the_cpu_on_hard_pools(pool, stream, rng):
    rows, centroids = hard_pool(pool, rng, 100, 10, 37)
    check(rows, centroids, draw(rng, 100, 10), stream)


@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (31, 7), (33, 8), (100, 200)], ids=str)
def test_is_the_cpu(shape, stream, rng):
    n, d = shape
    rows, centroids = hard_pool("plain", rng, n, 10, d)
    check(rows, centroids, draw(rng, n, 10), stream)
    check(rows, centroids.astype(np.float64) / 3, draw(rng, n, 10), stream)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_normalized_rows_at_positions(layout, dtype, stream, rng):
    rows, centroids = hard_pool("plain", rng, 90, 10, 13)
    rows = rows.astype(dtype)
    rows[5] = 0
    positions = np.append(rng.permutation(90)[:40], 5).astype(np.int64)
    options = {"normalize": True, "positions": positions}
    check(lay_out(rows, layout), centroids, draw(rng, 41, 10), stream, **options)
