"""Pairs closer than a limit: none missed, none too many, at any scale."""

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

from ally_fast.strategies import near_points
from ally_fast.strategies.kernel import HORIZON, kernel
from ally_fast.strategies.near_points import NearPoints, smallest_distance


def found(rows, points, limits):
    pairs = list(NearPoints(points).pairs(rows, limits))
    return [
        np.concatenate([getattr(of, name) for of in pairs])
        for name in ("rows", "points", "squares")
    ]


def check(rows, points, limits):
    squares = reference.squared_distance(rows, points)
    expected = np.nonzero(squares < limits)
    places, numbers, distances = found(rows, points, limits)
    np.testing.assert_array_equal(places, expected[0])
    np.testing.assert_array_equal(numbers, expected[1])
    np.testing.assert_array_equal(distances, squares[expected])


@given(
    seed=st.integers(0, 10**6),
    scale=st.sampled_from([1.0, 1e-120, 1e120]),
    offset=st.sampled_from([0.0, 1e3, 1e9]),
    spread=st.sampled_from([0, 10, 60]),
    grid=st.booleans(),
)
def test_pairs_are_those_of_all_distances(seed, scale, offset, spread, grid):
    """Rows whose lengths differ by many powers of two, and limits that are distances."""
    rng = np.random.default_rng(seed)
    rows, points = (rng.normal(size=(n, 5)) for n in (40, 9))
    if grid:
        rows, points = rows.round(), points.round()
    rows *= np.exp2(rng.integers(-spread, spread + 1, size=(40, 1)))
    rows, points = scale * (rows + offset), scale * (points + offset)
    squares = reference.squared_distance(rows, points)
    limits = np.array([rng.choice(column) for column in squares.T])
    limits = np.maximum(limits * rng.choice([1.0, 1 + 2.0**-50, 0.5, 1e-12, 1e12], size=9), 1e-300)
    check(rows, points, limits)


@pytest.mark.parametrize("block", [1, 30, 10**6])
def test_blocks_and_float32(block, monkeypatch):
    monkeypatch.setattr(near_points, "_BLOCK", block)
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(70, 130)).astype(np.float32)
    squares = reference.squared_distance(rows, rows[:20])
    check(rows, rows[:20], np.median(squares, axis=0))


def test_few_pairs_are_measured(monkeypatch):
    """Those beyond the margin are not."""
    rows = np.random.default_rng(0).normal(size=(500, 60)).astype(np.float32)
    squares = reference.squared_distance(rows, rows[:50])
    measured = []

    def spy(seen, table, numbers):
        measured.append(len(numbers))
        return whole(seen, table, numbers)

    whole = near_points.squared_distances
    monkeypatch.setattr(near_points, "squared_distances", spy)
    limits = np.quantile(squares, 0.1, axis=0)
    check(rows, rows[:50], limits)
    assert sum(measured) <= 1.01 * (squares < limits).sum()


@pytest.mark.parametrize("n", [2, 3, 50, 300])
def test_the_smallest_distance(n):
    rng = np.random.default_rng(n)
    points = rng.normal(size=(n, 6))
    squares = reference.squared_distance(points, points)
    expected = np.sqrt(squares[squares > 0].min())
    assert smallest_distance(points) == expected
    copies = points[rng.integers(n, size=3 * n)]
    assert smallest_distance(np.concatenate([points, copies])) == expected


@pytest.mark.parametrize("points", [np.empty((0, 3)), np.ones((1, 3)), np.ones((4, 3))])
def test_no_smallest_distance(points):
    assert smallest_distance(points) is None


def test_the_kernel_is_an_exponential():
    squares = np.concatenate([np.linspace(0, 70, 20_001), np.geomspace(1e-300, 1e300, 500)])
    exact = np.exp(-squares.astype(np.longdouble) / 9) * 2**30
    steps = kernel(squares, 3.0)
    assert steps.dtype == np.int32
    assert np.abs(steps - exact).max() <= 0.5 + 2.0**-20
    assert (np.diff(steps[:20_001]) <= 0).all()
    assert kernel(np.array([0.0]), 1e-3).tolist() == [2**30]
    assert not kernel(np.array([HORIZON * 9]), 3.0).any()


def test_the_kernel_is_the_same_everywhere():
    """Frozen: a few values, in steps of 2**-30."""
    squares = np.array([1e-9, 0.1, 0.5, 1.0, 2.0, 7.3, 20.0, 21.4])
    expected = [round(float(np.exp(-np.longdouble(x))) * 2**30) for x in squares]
    assert kernel(squares, 1.0).tolist() == expected
