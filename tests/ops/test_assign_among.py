"""Nearest centroids among short lists, exactly."""

import numpy as np
import pytest
from cases import RUNNABLE_ISAS, hard_pool

from ally_fast import _cpu, reference


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@pytest.mark.parametrize("pool", ["plain", "near_duplicates", "repeated_centroids"])
@pytest.mark.parametrize("length", [1, 7, 40], ids="length={}".format)
def test_nearest_lists(isa, pool, length, rng):
    queries, centroids = hard_pool(pool, rng, 90, 40, 13)
    table = _cpu.CentroidTable(centroids, isa)
    lists = _cpu.nearest_lists(queries, table, length, threads=2)
    distances = reference.squared_distance(queries, centroids)
    expected = np.sort(np.argsort(distances, axis=1, kind="stable")[:, :length], axis=1)
    np.testing.assert_array_equal(lists, expected)


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@pytest.mark.parametrize("pool", ["plain", "near_duplicates", "repeated_centroids"])
def test_assign_among(isa, pool, rng):
    rows, centroids = hard_pool(pool, rng, 300, 40, 13)
    table = _cpu.CentroidTable(centroids, isa)
    lists = np.sort([rng.permutation(40)[:9] for _ in range(6)], axis=1).astype(np.int32)
    previous = rng.integers(0, 6, size=300).astype(np.int32)
    out = _cpu.assign_among(rows, table, previous, lists, threads=2)
    distances = reference.squared_distance(rows, centroids)
    candidates = lists[previous]
    place = np.take_along_axis(distances, candidates, axis=1).argmin(axis=1)
    np.testing.assert_array_equal(out, candidates[np.arange(300), place])
