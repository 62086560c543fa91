"""Rows within a radius on the GPU: the CPU's answer."""

import numpy as np
import pytest
import reference
from cases import DTYPES, HARD_POOLS, LAYOUTS, hard_pool, lay_out
from cuda_arrays import put, put_view

from ally_fast import _cpu

pytestmark = pytest.mark.gpu

ISA = _cpu.isas()[0]


def on_host(rows, points, radius, **options):
    return _cpu.radius_filter(rows, _cpu.PackedPoints(points, ISA), radius, **options)


def on_device(rows, points, radius, stream, *, positions=None, **options):
    from ally_fast import _cuda

    count = len(rows) if positions is None else len(positions)
    within = put(np.ones(count, np.bool_), stream)
    _cuda.radius_filter(
        put_view(rows, stream),
        _cuda.PackedPoints(put(points, stream)),
        radius,
        within,
        positions=None if positions is None else put(positions, stream),
        **options,
    )
    return within.to_host()


def check(rows, points, radius, stream, **options):
    found = on_device(rows, points, radius, stream, **options)
    np.testing.assert_array_equal(found, on_host(rows, points, radius, **options))
    return found


@pytest.mark.parametrize("pool", HARD_POOLS)
def test_is_the_cpu_where_many_rows_lie_on_the_circle(pool, stream, rng):
    rows, points = hard_pool(pool, rng, 200, 20, 16)
    distances = np.sqrt(reference.squared_distance(rows, points).min(axis=1))
    for radius in np.quantile(distances, [0.25, 0.75], method="nearest"):
        if radius > 0:
            check(rows, points, float(radius), stream)


@pytest.mark.parametrize("k", [1, 127, 129, 300])
@pytest.mark.parametrize("shape", [(1, 1), (129, 17), (300, 64), (70, 200)], ids=str)
def test_is_the_cpu(shape, k, stream, rng):
    n, d = shape
    rows, points = hard_pool("plain", rng, n, k, d)
    check(rows, points, float(np.sqrt(2 * d)) / 1.5, stream)


def test_a_row_exactly_at_the_radius_is_within(stream):
    rows = np.array([[3.0, 4.0], [3.0, np.nextafter(4.0, 5.0)], [0.0, 0.0]])
    found = on_device(rows, np.zeros((1, 2), np.float32), 5.0, stream)
    assert found.tolist() == [True, False, True]


def test_rows_beyond_float16_and_not_finite(stream, rng):
    rows, points = hard_pool("plain", rng, 100, 10, 5)
    rows[3] *= np.float32(1e20)
    rows[50, 2] = np.nan
    rows[51, 0] = np.inf
    found = check(rows, points, 3.0, stream)
    assert not found[[3, 50, 51]].any()
    assert found.any()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_normalized_rows_at_positions(layout, dtype, stream, rng):
    rows, points = hard_pool("plain", rng, 90, 10, 5)
    points = reference.normalize_rows(points).astype(np.float32)
    positions = rng.permutation(90)[:40].astype(np.int64)
    rows = lay_out(rows.astype(dtype), layout)
    check(rows, points, 0.8, stream, normalize=True, positions=positions)
