"""Short lists of centroids on the GPU: the CPU's answers."""

import numpy as np
import pytest
from cases import FLOAT32_POOLS, hard_pool
from cuda_arrays import put

from ally_fast import _cpu

pytestmark = pytest.mark.gpu

ISA = _cpu.isas()[0]


def table_of(centroids, stream):
    from ally_fast import _cuda

    return _cuda.CentroidTable(put(centroids, stream))


def check_lists(queries, centroids, length, stream):
    from ally_fast import _cuda

    out = put(np.full((len(queries), length), -7, np.int32), stream)
    _cuda.nearest_lists(put(queries, stream), table_of(centroids, stream), length, out)
    expected = _cpu.nearest_lists(queries, _cpu.CentroidTable(centroids, ISA), length)
    np.testing.assert_array_equal(out.to_host(), expected)
    return expected


@pytest.mark.parametrize("pool", ["plain", "repeated_centroids", "denormals", "values_3e37"])
@pytest.mark.parametrize("length", [1, 7, 39, 40])
def test_nearest_lists(length, pool, stream, rng):
    check_lists(*hard_pool(pool, rng, 30, 40, 13), length, stream)


@pytest.mark.parametrize("k", [1, 2, 300, 600])
def test_nearest_lists_of_many(k, stream, rng):
    queries, centroids = hard_pool("plain", rng, 20, k, 5)
    check_lists(queries, centroids, (k + 1) // 2, stream)


def test_nearest_lists_beyond_shared_memory(stream, rng):
    centroids = rng.integers(-3, 4, size=(9000, 3)).astype(np.float32)
    check_lists(centroids[:11], centroids, 400, stream)


@pytest.mark.parametrize("k", [5888, 5889, 6144, 6145, 8192, 8193], ids="k={}".format)
def test_nearest_lists_at_the_limits_of_shared_memory(k, stream, rng):
    """Dynamic and static part together pass 48 KiB at 5889, the dynamic one alone at 6145."""
    centroids = rng.integers(-9, 10, size=(k, 2)).astype(np.float32)
    check_lists(centroids[:5], centroids, 30, stream)


def test_nearest_lists_of_one_value(stream, rng):
    centroids = np.ones((700, 4), np.float32)
    lists = check_lists(centroids[:3], centroids, 300, stream)
    np.testing.assert_array_equal(lists, np.tile(np.arange(300), (3, 1)))


def check_among(rows, centroids, previous, lists, stream):
    from ally_fast import _cuda

    out = put(np.full(len(rows), -7, np.int32), stream)
    given = [put(array, stream) for array in (previous, lists)]
    _cuda.assign_among(put(rows, stream), table_of(centroids, stream), *given, out)
    expected = _cpu.assign_among(rows, _cpu.CentroidTable(centroids, ISA), previous, lists)
    np.testing.assert_array_equal(out.to_host(), expected)
    return expected


def draw_lists(rng, groups, k, length):
    return np.sort([rng.permutation(k)[:length] for _ in range(groups)], axis=1).astype(np.int32)


@pytest.mark.parametrize("pool", FLOAT32_POOLS)
def test_assign_among(pool, stream, rng):
    rows, centroids = hard_pool(pool, rng, 200, 40, 13)
    previous = rng.integers(0, 6, size=200).astype(np.int32)
    check_among(rows.astype(np.float32), centroids, previous, draw_lists(rng, 6, 40, 9), stream)


@pytest.mark.parametrize("length", [1, 96, 127, 128, 129, 300])
@pytest.mark.parametrize("d", [1, 64, 200])
def test_assign_among_long_lists(d, length, stream, rng):
    rows, centroids = hard_pool("plain", rng, 150, 300, d)
    previous = rng.integers(0, 3, size=150).astype(np.int32)
    check_among(rows, centroids, previous, draw_lists(rng, 3, 300, length), stream)


@pytest.mark.parametrize("n", [0, 1, 64, 65, 700])
def test_assign_among_with_empty_and_large_clusters(n, stream, rng):
    rows, centroids = hard_pool("plain", rng, n, 50, 9)
    previous = np.full(n, 11, np.int32)
    previous[: n // 10] = rng.integers(0, 30, size=n // 10)
    check_among(rows, centroids, previous, draw_lists(rng, 30, 50, 8), stream)


def test_assign_among_rows_beyond_float16_and_not_finite(stream, rng):
    rows, centroids = hard_pool("plain", rng, 130, 50, 9)
    rows[::13] *= np.float32(1e12)
    rows[[5, 77], [0, 8]] = np.nan, np.inf
    previous = rng.integers(0, 4, size=130).astype(np.int32)
    out = check_among(rows, centroids, previous, draw_lists(rng, 4, 50, 20), stream)
    assert (out[[5, 77]] == -1).all()
    assert (out == -1).sum() == 2
