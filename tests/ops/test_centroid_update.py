"""Centroids from moving averages of sizes and sums."""

import numpy as np
import pytest
import reference
from cases import core
from hypothesis import given
from hypothesis import strategies as st
from training_cases import clusterings, same

from ally_fast import _cpu
from ally_fast.clusters import ClusterAverages, ClusterSums, FeatureGrid
from ally_fast.ops.centroid_update import centroid_update
from ally_fast.ops.cluster_sums import cluster_sums
from ally_fast.ops.feature_grid import feature_grid

WEIGHTS = st.sampled_from([0.0, 1.0, 0.5, 0.1, 1 / 3, 17.25])


def updated(batch, grid, averages, centroids, **options):
    """Return what the op makes of copies of its arguments."""
    state = ClusterAverages(averages[0].copy(), averages[1].copy())
    moved = centroids.copy()
    centroid_update(batch, grid, state, moved, **options)
    return state.sizes, state.sums, moved


@given(clustering=clusterings(), keep=WEIGHTS, add=WEIGHTS, normalize=st.booleans())
def test_is_the_reference(clustering, keep, add, normalize):
    batch, grid = clustering.sums, clustering.grid
    k, d = batch.sums.shape
    rng = np.random.default_rng(k * d)
    averages = rng.integers(0, 3, size=k) * rng.random(k), rng.normal(size=(k, d))
    options = {"keep": keep, "add": add, "normalize": normalize}
    with np.errstate(over="ignore"):  # averages that were never those of rows reach any place
        expected = reference.centroid_update(
            (batch.sums, batch.counts), grid.values, averages, clustering.centroids, **options
        )
    for threads in (1, 3):
        with core(threads=threads):
            same(updated(batch, grid, averages, clustering.centroids, **options), expected)


@pytest.mark.parametrize(("k", "d"), [(5, 4096), (3000, 50), (70_000, 1)], ids=str)
@pytest.mark.parametrize("normalize", [False, True], ids=["plain", "normalize"])
def test_any_number_of_threads(k, d, normalize, rng):
    batch = ClusterSums(rng.integers(-(2**60), 2**60, size=(k, d)), rng.integers(0, 4, size=k))
    grid = FeatureGrid(np.concatenate([rng.normal(size=d), np.full(d, 2.0**50), [1.0]]), k)
    averages = rng.integers(0, 2, size=k) * rng.random(k), rng.normal(size=(k, d))
    centroids = rng.normal(size=(k, d)).astype(np.float32)
    answers = set()
    for threads in (1, 2, 5):
        with core(threads=threads):
            options = {"keep": 0.75, "add": 0.25, "normalize": normalize}
            arrays = updated(batch, grid, averages, centroids, **options)
        answers.add(b"".join(array.tobytes() for array in arrays))
    assert len(answers) == 1


def test_keep_nothing_and_add_one_gives_the_means(rng):
    rows = (rng.normal(size=(500, 6)) + 30).astype(np.float32)
    ids = rng.integers(0, 7, size=500).astype(np.int32)
    grid = feature_grid(rows)
    batch, _ = cluster_sums(rows, ids, 7, grid)
    before = np.full(7, 1e300), np.full((7, 6), np.pi)
    sizes, _, moved = updated(batch, grid, before, rows[:7], keep=0, add=1, normalize=False)
    means = [rows[ids == c].astype(float).mean(axis=0) for c in range(7)]
    np.testing.assert_array_max_ulp(moved, np.array(means, np.float32), 1)
    np.testing.assert_array_equal(sizes, np.bincount(ids))


def test_averages_by_hand():
    """Steps of a quarter about 1: half of the old sums, and twice the new."""
    batch = ClusterSums(np.array([[8], [4], [0]]), np.array([3, 0, 0]))
    grid = FeatureGrid(np.array([1.0, 4.0, 1.0]), 9)
    averages = np.array([4.0, 2.0, 0.0]), np.array([[6.0], [1.0], [0.0]])
    centroids = np.array([[9], [9], [9]], np.float32)
    found = updated(batch, grid, averages, centroids, keep=0.5, add=2.0, normalize=False)
    # sizes 4/2 + 2*3, 2/2, 0; sums 6/2 + 2*8/4, 1/2 + 2*4/4, 0
    assert [array.tolist() for array in found] == [
        [8.0, 1.0, 0.0],
        [[7.0], [2.5], [0.0]],
        [[1.875], [3.5], [9.0]],
    ]


def test_clusters_without_weight_keep_their_centroid(rng):
    batch = ClusterSums(np.zeros((4, 3), np.int64), np.array([0, 2, 0, 1]))
    grid = FeatureGrid(np.array([5.0] * 3 + [1.0] * 4), 3)
    centroids = rng.normal(size=(4, 3)).astype(np.float32)
    for normalize in (False, True):
        options = {"keep": 1.0, "add": 1.0, "normalize": normalize}
        *_, moved = updated(batch, grid, (np.zeros(4), np.zeros((4, 3))), centroids, **options)
        np.testing.assert_array_equal(moved[[0, 2]], centroids[[0, 2]])
        assert (moved[[1, 3]] != centroids[[1, 3]]).all()


def test_normalize(rng):
    batch = ClusterSums(rng.integers(-99, 99, size=(5, 8)), np.full(5, 3))
    grid = FeatureGrid(np.array([0.0] * 8 + [8.0] * 8 + [1.0]), 15)
    batch.sums[2] = 0  # no direction
    averages = np.zeros(5), np.zeros((5, 8))
    options = {"keep": 0.0, "add": 1.0, "normalize": True}
    *_, moved = updated(batch, grid, averages, np.ones((5, 8), np.float32), **options)
    lengths = np.linalg.norm(moved.astype(float), axis=1)
    np.testing.assert_allclose(lengths, [1, 1, 0, 1, 1], rtol=1e-6)
    expected = reference.normalize_rows(batch.sums / 24.0)
    np.testing.assert_array_max_ulp(moved, expected, 1)


def test_one_row_comes_back_as_it_is(isa):
    rows = np.array([[1e30, -1e-45, 3.25e-30, -0.0]], np.float32)
    grid = feature_grid(rows)
    batch, _ = cluster_sums(rows, np.zeros(1, np.int32), 1, grid)
    options = {"keep": 0.0, "add": 1.0, "normalize": False}
    zeros = np.zeros(1), np.zeros((1, 4))
    *_, moved = updated(batch, grid, zeros, np.ones((1, 4), np.float32), **options)
    np.testing.assert_array_equal(moved, rows)


@pytest.mark.parametrize("offset", [1e9, -1e9, 2.0**24], ids=str)
def test_an_offset_takes_no_digits(offset, rng):
    rows = (offset + 64 * rng.integers(-50, 51, size=(999, 3))).astype(np.float32)
    grid = feature_grid(rows)
    batch, _ = cluster_sums(rows, np.zeros(999, np.int32), 1, grid)
    options = {"keep": 0.0, "add": 1.0, "normalize": False}
    zeros = np.zeros(1), np.zeros((1, 3))
    *_, moved = updated(batch, grid, zeros, rows[:1], **options)
    exact = [sum(map(int, column)) / 999 for column in rows.T]  # of integers, rounded once
    np.testing.assert_array_equal(moved[0], np.array(exact, np.float32))


def arguments(**changes):
    standard = {
        "sums": np.zeros((2, 3), np.int64),
        "counts": np.zeros(2, np.int64),
        "grid": np.ones(7),
        "keep": 0.5,
        "add": 0.5,
        "normalize": False,
        "size_average": np.zeros(2),
        "sum_average": np.zeros((2, 3)),
        "centroids": np.zeros((2, 3), np.float32),
    }
    return {**standard, **changes}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"counts": np.zeros(3, np.int64)}, r"counts: got shape \(3,\), needs \(2,\)"),
        ({"grid": np.ones(8)}, r"grid: got shape \(8,\), needs \(7,\)"),
        ({"size_average": np.zeros(1)}, r"size_average: got shape \(1,\), needs \(2,\)"),
        ({"sum_average": np.zeros((3, 2))}, r"sum_average: got shape \(3, 2\), needs \(2, 3\)"),
        ({"centroids": np.zeros((2, 2), np.float32)}, r"centroids: .* needs \(2, 3\)"),
        ({"keep": -0.5}, "keep: needs a finite value of at least 0"),
        ({"keep": np.nan}, "keep: needs a finite value of at least 0"),
        ({"add": -1.0}, "add: needs a finite value of at least 0"),
        ({"add": np.inf}, "add: needs a finite value of at least 0"),
        ({"threads": 0}, "threads: got 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors(changes, words):
    with pytest.raises(ValueError, match=words):
        _cpu.centroid_update(**arguments(**changes))


@pytest.mark.parametrize(
    "name", ["sums", "counts", "grid", "size_average", "sum_average", "centroids"]
)
def test_dtypes_must_be_right(name):
    given_ones = arguments()
    given_ones[name] = given_ones[name].astype(np.int32)
    with pytest.raises(TypeError, match=f"^{name}: got int32"):
        _cpu.centroid_update(**given_ones)
