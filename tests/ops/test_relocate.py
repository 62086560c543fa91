"""Relocation is the greedy rule, bit for bit, for any number of threads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ally_fast import _cpu, reference


def near_lists(centroids, length):
    """Return each centroid's nearest ones, as `nearest_lists` does."""
    distances = reference.squared_distance(centroids, centroids)
    np.fill_diagonal(distances, -1)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :length]
    return np.sort(nearest, axis=1).astype(np.int32)


def changed(before, after):
    return int((before != after).any(axis=1).sum())


@pytest.mark.parametrize("threads", [1, 2, 5], ids="threads={}".format)
@pytest.mark.parametrize("moves", [0, 1, 7, 200], ids="moves={}".format)
def test_is_the_reference(threads, moves, rng):
    centroids = rng.normal(size=(90, 17)).astype(np.float32)
    counts = rng.integers(0, 300, size=90)
    spread = rng.exponential(size=90) * counts * 10
    lists = near_lists(centroids, 12)
    moved = _cpu.relocate(centroids, counts, spread, lists, moves, threads)
    assert moved.dtype == np.float32
    np.testing.assert_array_equal(
        moved, reference.relocate(centroids, counts, spread, lists, moves)
    )
    assert (changed(centroids, moved) > 0) == (moves > 0)


@given(
    seed=st.integers(0, 2**32 - 1),
    k=st.integers(1, 40),
    d=st.integers(1, 20),
    length=st.integers(1, 40),
    moves=st.integers(0, 50),
    grid=st.booleans(),
)
def test_ties_and_corners(seed, k, d, length, moves, grid):
    """On a grid, with few different counts and spreads, costs and spreads tie."""
    rng = np.random.default_rng(seed)
    centroids = rng.integers(-1, 2, size=(k, d)) if grid else rng.normal(size=(k, d))
    centroids = centroids.astype(np.float32)
    counts = rng.integers(0, 3, size=k)
    spread = rng.integers(0, 4, size=k) * 10.0
    lists = near_lists(centroids, min(length, k))
    moved = _cpu.relocate(centroids, counts, spread, lists, moves, 2)
    np.testing.assert_array_equal(
        moved, reference.relocate(centroids, counts, spread, lists, moves)
    )
    assert changed(centroids, moved) <= 3 * moves


def test_a_cluster_takes_part_in_one_move(rng):
    """Donor, heir and split: three clusters a move, and no cluster twice."""
    centroids = rng.normal(size=(60, 4)).astype(np.float32)
    counts = np.full(60, 10)
    spread = np.where(np.arange(60) < 30, 1e4, 1e-3)  # more to split than others can serve
    moved = _cpu.relocate(centroids, counts, spread, near_lists(centroids, 9), 60, 1)
    assert changed(centroids, moved) % 3 == 0
    assert 0 < changed(centroids, moved) <= 60


def test_the_cheapest_donor_serves_the_largest_spread():
    centroids = np.array([[0.0], [1.0], [8.0], [50.0]], dtype=np.float32)
    counts, spread = np.array([1, 1, 4, 4]), np.array([0.0, 0.0, 1600.0, 400.0])
    moved = _cpu.relocate(centroids, counts, spread, near_lists(centroids, 3), 1, 1)
    assert moved[:, 0].tolist() == [9.0, 0.5, 7.0, 50.0]


def test_no_move_where_it_costs_more_than_it_gains():
    centroids = np.array([[0.0], [10.0], [20.0]], dtype=np.float32)
    counts, spread = np.array([2, 2, 2]), np.full(3, 200.0)  # a merge costs 100, half a spread
    moved = _cpu.relocate(centroids, counts, spread, near_lists(centroids, 3), 3, 1)
    np.testing.assert_array_equal(moved, centroids)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"counts": np.zeros(4, np.int64)}, r"counts.*4.*k = 3"),
        ({"spread": np.zeros(2)}, r"spread.*2.*k = 3"),
        ({"lists": np.zeros((2, 2), np.int32)}, r"lists.*2, 2.*k = 3"),
        ({"lists": np.zeros((3, 0), np.int32)}, r"lists.*3, 0.*length"),
        ({"lists": np.full((3, 2), 3, np.int32)}, r"lists.*0, 3"),
        ({"centroids": np.full((3, 2), np.nan, np.float32)}, r"centroids.*finite"),
        ({"moves": -1}, r"moves.*-1"),
    ],
    ids=["counts", "spread", "lists", "no_lists", "index", "nan", "moves"],
)
def test_errors(change, words):
    arguments = {
        "centroids": np.zeros((3, 2), np.float32),
        "counts": np.ones(3, np.int64),
        "spread": np.ones(3),
        "lists": np.zeros((3, 2), np.int32),
        "moves": 1,
    }
    with pytest.raises(ValueError, match=words):
        _cpu.relocate(**{**arguments, **change})
