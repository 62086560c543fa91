"""New centroids in the fixed order of sums, bit for bit, for any number of threads."""

import numpy as np
import pytest
from cases import FLOAT32_POOLS, hard_pool
from hypothesis import given
from hypothesis import strategies as st

from ally_fast import _cpu, reference


def assert_is_reference(rows, assignments, centroids, normalize, threads=2):
    got = _cpu.centroid_update(rows, assignments, centroids, normalize, threads)
    expected = reference.centroid_update(rows, assignments, centroids, normalize)
    for ours, theirs in zip(got[:3], expected[:3], strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    assert got[3] == expected[3]
    return got


@pytest.mark.parametrize("threads", [1, 2, 5], ids="threads={}".format)
@pytest.mark.parametrize("t", [0, 1, 1000, 16384, 16385, 50_000], ids="t={}".format)
def test_is_the_reference(threads, t, rng):
    rows = rng.normal(size=(t, 5)).astype(np.float32) * np.float32(1e3) + np.float32(7)
    assignments = rng.integers(0, 9, size=t).astype(np.int32)
    assignments[assignments == 4] = 8  # an empty cluster
    centroids = rng.normal(size=(9, 5)).astype(np.float32)
    assert_is_reference(rows, assignments, centroids, False, threads)


@given(
    seed=st.integers(0, 2**32 - 1),
    t=st.integers(0, 60),
    k=st.integers(1, 40),
    d=st.integers(1, 40),
    used=st.integers(1, 40),
    distinct=st.integers(1, 60),
    normalize=st.booleans(),
)
def test_any_shape_with_empty_clusters_and_copies(seed, t, k, d, used, distinct, normalize):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(distinct, d)).astype(np.float32)[rng.integers(0, distinct, size=t)]
    assignments = rng.integers(0, min(used, k), size=t).astype(np.int32)
    centroids = rng.normal(size=(k, d)).astype(np.float32)
    assert_is_reference(rows, assignments, centroids, normalize)


@pytest.mark.parametrize("normalize", [False, True], ids=["as_is", "normalize"])
@pytest.mark.parametrize("pool", FLOAT32_POOLS)
def test_hard_pools(pool, normalize, rng):
    rows, centroids = (part.astype(np.float32) for part in hard_pool(pool, rng, 300, 20, 17))
    assignments = rng.integers(0, 15, size=300).astype(np.int32)
    assert_is_reference(rows, assignments, centroids, normalize)


def test_large_and_tiny_rows(rng):
    rows = np.array([[1e18], [1.0], [-1e18]], dtype=np.float32)
    origin = np.zeros((1, 1), dtype=np.float32)
    _, counts, _, _ = assert_is_reference(rows, np.zeros(3, dtype=np.int32), origin, False)
    assert counts.tolist() == [3]


def test_a_common_offset_costs_no_digits(rng):
    rows = rng.normal(size=(2000, 3)).astype(np.float32)
    origin, offset = np.zeros((1, 3), dtype=np.float32), np.float32(2**20)
    shifted = rows + offset
    rows = shifted - offset  # the rounding of the addition is not the op's
    assignments = np.zeros(2000, dtype=np.int32)
    here = _cpu.centroid_update(rows, assignments, origin, False, 1)
    there = _cpu.centroid_update(shifted, assignments, origin + offset, False, 1)
    np.testing.assert_array_equal(here[0] + offset, there[0])
    np.testing.assert_array_equal(here[2], there[2])
    assert here[3] == there[3]


def test_copies_of_a_row_have_no_spread(rng):
    rows = np.repeat(rng.normal(size=(1, 30)), 7, axis=0).astype(np.float32)
    old = rng.normal(size=(1, 30)).astype(np.float32)
    means, _, spread, inertia = _cpu.centroid_update(rows, np.zeros(7, np.int32), old, False, 1)
    np.testing.assert_array_equal(means, rows[:1])
    assert spread.tolist() == [0.0]
    assert inertia == 0.0


def test_an_empty_cluster_halves_the_one_of_largest_spread():
    rows = np.array([[0.0, 0.0], [2.0, 0.0], [10.0, 5.0], [30.0, 5.0]], dtype=np.float32)
    assignments = np.array([0, 0, 2, 2], dtype=np.int32)
    old = np.zeros((3, 2), dtype=np.float32)
    means, counts, spread, inertia = _cpu.centroid_update(rows, assignments, old, False, 1)
    offset = np.array([0.5, -0.5])  # 0.05 of the root of 200 / 2 / 2, its signs alternating
    np.testing.assert_array_equal(means[0], [1, 0])
    np.testing.assert_allclose(means[1], np.array([20, 5]) + offset / np.sqrt(2), rtol=1e-6)
    np.testing.assert_allclose(means[2], np.array([20, 5]) - offset / np.sqrt(2), rtol=1e-6)
    assert (counts.tolist(), spread.tolist(), inertia) == ([2, 0, 2], [2.0, 0.0, 200.0], 202.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"centroids": np.zeros((2, 4), np.float32)}, r"centroids.*4.*d = 3"),
        ({"assignments": np.zeros(4, np.int32)}, r"assignments.*4.*5"),
        ({"assignments": np.full(5, 2, np.int32)}, r"assignments.*0, 2"),
        ({"assignments": np.full(5, -1, np.int32)}, r"assignments.*0, 2"),
        ({"threads": 0}, r"threads.*0.*1"),
    ],
    ids=["columns", "count", "too_large", "negative", "threads"],
)
def test_errors(change, words):
    arguments = {
        "rows": np.zeros((5, 3), np.float32),
        "assignments": np.zeros(5, np.int32),
        "centroids": np.zeros((2, 3), np.float32),
        "normalize": False,
    }
    with pytest.raises(ValueError, match=words):
        _cpu.centroid_update(**{**arguments, **change})
