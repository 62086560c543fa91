"""The grid of integers: each feature's shift and scale, from its minimum and maximum alone."""

from fractions import Fraction

import numpy as np
import pytest
import reference
from cases import RUNNABLE_ISAS, core
from hypothesis import given
from hypothesis import strategies as st
from reference.feature_grid import grid_steps
from training_cases import ROWS, make_rows

from ally_fast import _cpu
from ally_fast.clusters import FeatureGrid
from ally_fast.ops.feature_grid import feature_grid

LARGEST = np.finfo(np.float32).max


def bits_of(values):
    return np.asarray(values, np.float64).view(np.uint64).tolist()


@pytest.mark.parametrize("kind", sorted(ROWS))
@given(seed=st.integers(0, 2**32 - 1), t=st.integers(1, 50), d=st.integers(1, 40))
def test_is_the_reference(kind, seed, t, d):
    rows = make_rows(kind, np.random.default_rng(seed), t, d)
    expected = reference.feature_grid(rows)
    for isa in RUNNABLE_ISAS:
        assert bits_of(_cpu.feature_grid(rows, isa, threads=2)) == bits_of(expected)


@pytest.mark.parametrize(("t", "d"), [(5, 4096), (70_000, 9), (300_000, 1), (4097, 130)], ids=str)
def test_any_number_of_threads(t, d, rng, isa, threads):
    rows = rng.normal(size=(t, d)).astype(np.float32)
    found = feature_grid(rows)
    assert found.most == t
    assert bits_of(found.values) == bits_of(reference.feature_grid(rows))


def test_order_does_not_matter(rng):
    """Of rows whose zeros have signs: not even the sign of a shift depends on who comes first."""
    rows = make_rows("signed_zeros", rng, 200_000, 3)
    rows[:, 1] *= 4
    rows[:, 2] = rng.normal(size=200_000)
    expected = bits_of(feature_grid(rows).values)
    for _ in range(4):
        with core(threads=5):
            assert bits_of(feature_grid(rng.permutation(rows)).values) == expected
    assert expected[0] == 0


@given(
    low=st.floats(width=32, allow_nan=False, allow_infinity=False),
    high=st.floats(width=32, allow_nan=False, allow_infinity=False),
    inner=st.floats(0, 1),
)
def test_steps_are_within_their_bits(low, high, inner):
    low, high = min(low, high), max(low, high)
    between = np.float32(np.clip(low + inner * (high / 2 - low / 2) * 2, low, high))
    rows = np.array([[low], [high], [between]], np.float32)
    grid = feature_grid(rows).values
    steps = [grid_steps(row, grid)[0] for row in rows]
    assert max(map(abs, steps)) <= 2**50
    if low < high:  # no bit is given away, but for the rounding of the middle
        assert max(map(abs, steps)) >= 2**49
    for x, step in zip(rows[:, 0].tolist(), steps, strict=True):
        away = abs(Fraction(grid[0].item()) + step / Fraction(grid[1].item()) - Fraction(x))
        width = Fraction(float(high)) - Fraction(float(low))
        assert away <= width / 2**50


def test_one_row_is_its_own_shift(isa):
    rows = np.array([[3.5, -0.0, 1e30, 1e-45]], np.float32)
    expected = [*rows[0].astype(float), *[1.0] * 4, 1.0]
    assert feature_grid(rows).values.tolist() == expected


def test_features_do_not_share_a_scale(isa):
    rows = np.array([[1e30, 1e-30], [-1e30, -1e-30], [1e30, 0]], np.float32)
    grid = feature_grid(rows).values
    for j in range(2):
        assert abs(grid_steps(rows[0], grid)[j]) >= 2**49
    assert grid_steps(rows[2], grid) == [grid_steps(rows[0], grid)[0], 0]


@pytest.mark.parametrize("value", [LARGEST, np.float32(1e-45)], ids=["largest", "least"])
def test_the_ends_of_float32(value, isa):
    rows = np.array([[value], [-value], [0]], np.float32)
    grid = feature_grid(rows).values
    assert np.isfinite(grid).all()
    assert grid[0] == 0
    assert grid_steps(rows[0], grid)[0] in range(2**49, 2**50 + 1)


@pytest.mark.parametrize("value", [2**30, 2**30 + 1], ids=["power", "above"])
def test_widest_distance_fits(value):
    rows = np.array([[0.0, 0.0], [value, value]], np.float32)
    grid = feature_grid(rows)
    widest = reference.squared_distance(rows[:1], rows[1:])[0, 0]
    assert widest * grid.values[-1] < 2.0**90 <= 2 * widest * grid.values[-1]


def test_distance_puts_words_together(rng):
    grid = FeatureGrid(np.array([0.0, 1.0, 2.0**20]), 9)
    words = rng.integers(-(2**38), 2**38, size=(5, 2))
    exact = sum(int(high) * 2**40 + int(low) for high, low in words)
    assert grid.distance(words) == exact / 2**20
    assert grid.distance(words[0]) == (int(words[0, 0]) * 2**40 + int(words[0, 1])) / 2**20


@pytest.mark.parametrize(
    ("rows", "error", "words"),
    [
        (np.zeros((0, 3), np.float32), ValueError, r"rows: got shape \(0, 3\).*at least one row"),
        (np.zeros((3, 0), np.float32), ValueError, r"rows: got shape \(3, 0\).*at least one row"),
        (np.zeros((3, 3)), TypeError, r"rows: got float64.*float32"),
        (np.zeros(3, np.float32), TypeError, r"rows: got float32 of shape \(3,\).*2-D"),
        (np.zeros((4, 4), np.float32)[:, ::2], TypeError, r"rows: .*C-contiguous"),
    ],
    ids=["no_rows", "no_features", "float64", "rank", "strided"],
)
def test_errors(rows, error, words):
    with pytest.raises(error, match=words):
        feature_grid(rows)


def test_threads_and_isa_are_checked():
    rows = np.zeros((2, 2), np.float32)
    with pytest.raises(ValueError, match="threads: got 0"):
        _cpu.feature_grid(rows, "portable", threads=0)
    with pytest.raises(RuntimeError, match=r"isa: .*'sse9'"):
        _cpu.feature_grid(rows, "sse9")
