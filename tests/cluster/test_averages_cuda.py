"""Training on a GPU: bit for bit the centroids, the inertia and the iterations of the CPU."""

import numpy as np
import pytest
from cases import hard_pool
from clusterings import assert_same
from cuda_arrays import put

from ally_fast.cluster import averages
from ally_fast.cluster.averages import fit_by_averages
from ally_fast.cluster.fit import FitOptions

pytestmark = pytest.mark.gpu


def check(stream, rows, k, *, max_iter=5, tol=1e-3, normalize=False):
    rows = np.ascontiguousarray(rows, np.float32)
    here, there = [], []
    expected = fit_by_averages(rows, k, FitOptions(max_iter, tol, 5, normalize, here.append))
    on_device = put(rows, stream)
    found = fit_by_averages(on_device, k, FitOptions(max_iter, tol, 5, normalize, there.append))
    assert_same(found, expected)
    assert there == here


@pytest.fixture
def small_batches(monkeypatch):
    """Several batches a slice and several slices, of few rows."""
    monkeypatch.setattr(averages, "FEWEST", 64)


@pytest.mark.parametrize(
    ("t", "d", "k", "changes"),
    [
        (1, 3, 1, {}),
        (2, 1, 2, {}),
        (40, 5, 40, {}),
        (500, 9, 1, {}),
        (900, 7, 5, {"tol": 0.0}),
        (1500, 8, 11, {"max_iter": 1}),
        (400, 130, 6, {}),
    ],
    ids=str,
)
def test_is_the_cpu(t, d, k, changes, small_batches, stream, rng):
    check(stream, rng.normal(size=(t, d)), k, **changes)


def test_clumps_of_unequal_size(small_batches, stream, rng):
    """Relocation moves centroids in more than one round, and slices are repeated."""
    sizes = rng.pareto(1.0, size=20) + 0.1
    clump = rng.choice(20, size=2000, p=sizes / sizes.sum())
    check(stream, rng.normal(size=(20, 6))[clump] * 30 + rng.normal(size=(2000, 6)), 20)


def test_unit_rows(small_batches, stream, rng):
    rows = rng.normal(size=(900, 6)) + 1
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    check(stream, rows, 12, normalize=True)


@pytest.mark.parametrize(
    "pool",
    ["near_duplicates", "values_1e18", "values_3e37", "values_1e-30", "denormals", "offset_1e6"],
)
def test_extreme_values(pool, small_batches, stream, rng):
    check(stream, hard_pool(pool, rng, 600, 10, 9)[0], 7)


def test_copies_of_fewer_rows_than_clusters(small_batches, stream, rng):
    check(stream, rng.normal(size=(3, 4))[rng.integers(0, 3, size=300)], 8)
    check(stream, np.ones((100, 4)), 3)
