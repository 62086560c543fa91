"""Halves of clusters: the oracle's, and what halving is said to gain."""

from fractions import Fraction

import numpy as np
import pytest
from cases import RUNNABLE_ISAS, core
from hypothesis import given
from hypothesis import strategies as st
from training_cases import (
    ROWS,
    clustered,
    clusterings,
    exact_spread,
    halved,
    halves_of,
    make_rows,
    own_copy,
    reference_halves,
    same,
)

from ally_fast import _cpu
from ally_fast.ops.halve import halve, unhalved


def scribbled(clustering, rng):
    """Return halves that hold garbage, of which some are stale."""
    halves = unhalved(clustering)
    for array in halves_of(halves):
        array[...] = rng.integers(1, 99, size=array.shape)
    halves.stale[:] = rng.random(len(halves.stale)) < 0.5
    return halves


@given(clustering=clusterings(), seed=st.integers(0, 2**32 - 1))
def test_is_the_reference(clustering, seed):
    """Clusters that are not stale, and their rows, are left alone."""
    before = scribbled(clustering, np.random.default_rng(seed))
    expected = reference_halves(clustering, before)
    for isa in RUNNABLE_ISAS:
        for threads in (1, 3):
            halves = own_copy(before)
            with core(isa=isa, threads=threads):
                halve(clustering, halves)
            same(halves_of(halves), expected)
            assert not halves.stale.any()


@pytest.mark.parametrize("kind", sorted(ROWS))
def test_every_kind_of_rows(kind, rng):
    clustering = clustered(make_rows(kind, rng, 150, 17), rng.integers(0, 4, size=150), 5, rng)
    expected = reference_halves(clustering, unhalved(clustering))
    for isa in RUNNABLE_ISAS:
        with core(isa=isa):
            same(halves_of(halved(clustering)), expected)


@pytest.mark.parametrize(
    ("t", "d", "k"), [(20_000, 20, 300), (200, 4096, 3), (30_000, 1, 40)], ids=str
)
def test_one_answer(t, d, k, rng):
    rows = rng.normal(size=(t, d)).astype(np.float32)
    clustering = clustered(rows, rng.integers(0, k, size=t), k)
    answers = set()
    for isa in RUNNABLE_ISAS:
        for threads in (1, 2, 5):
            with core(isa=isa, threads=threads):
                arrays = halves_of(halved(clustering))
            answers.add(b"".join(array.tobytes() for array in arrays))
    assert len(answers) == 1


def test_two_clumps_by_hand(isa):
    rows = np.array([[0.0], [1.0], [10.0], [11.0], [12.0]], np.float32)
    halves = halved(clustered(rows, [0] * 5, 1))
    # the mean is 6.8: the first row is the farthest, so its side is this half
    assert halves.sides.tolist() == [1, 1, 0, 0, 0]
    assert halves.centroids.tolist() == [[0.5]]
    assert halves.sums.counts.tolist() == [2]
    assert halves.gains.tolist() == [(11 - 0.5) ** 2 * (3 * 2 / 5)]


def test_sides_are_taken_again(isa):
    """The first line parts by the farthest row; two-means then moves rows across."""
    rows = np.array([[0.0], [4.0], [5.0], [6.0], [30.0]], np.float32)
    halves = halved(clustered(rows, [0] * 5, 1))
    assert halves.sides.tolist() == [0, 0, 0, 0, 1]
    assert halves.gains.tolist() == [(30 - 3.75) ** 2 * (4 * 1 / 5)]


def test_the_farthest_row_is_the_lowest_on_a_tie(isa):
    rows = np.array([[1.0], [-1.0]], np.float32)
    assert halved(clustered(rows, [0, 0], 1)).sides.tolist() == [1, 0]
    assert halved(clustered(rows[::-1].copy(), [0, 0], 1)).sides.tolist() == [1, 0]


def test_what_cannot_be_halved(isa, rng):
    """A row alone, copies of one row, no rows: their halves' centroids and sums stay."""
    rows = np.array([[5.0, 1.0]] + [[2.0, 3.0]] * 4 + [[0.0, 0.0], [8.0, 8.0]], np.float32)
    clustering = clustered(rows, [0, 1, 1, 1, 1, 3, 3], 4)
    halves = scribbled(clustering, rng)
    halves.stale[:] = 1
    before = own_copy(halves)
    halve(clustering, halves)
    assert halves.sums.counts.tolist() == [0, 0, 0, 1]
    assert halves.gains.tolist() == [0, 0, 0, 64]
    assert halves.sides.tolist() == [0, 0, 0, 0, 0, 1, 0]
    assert not halves.spreads[:3].any()
    np.testing.assert_array_equal(halves.centroids[:3], before.centroids[:3])
    np.testing.assert_array_equal(halves.sums.sums[:3], before.sums.sums[:3])


def test_rows_that_differ_below_the_rounding_of_their_mean(isa):
    """Far from the origin and closer than float32 can tell: whatever it is, it is the oracle's."""
    rows = np.full((9, 40), 1e9, np.float32)
    rows[3:, 7] = np.nextafter(np.float32(1e9), np.float32(2e9))
    clustering = clustered(rows, [0] * 9, 1)
    halves = halved(clustering)
    same(halves_of(halves), reference_halves(clustering, unhalved(clustering)))
    assert halves.sums.counts[0] in (3, 6)
    assert halves.gains[0] == 64.0**2 * (3 * 6 / 9)


@given(clustering=clusterings(max_d=5))
def test_sums_and_counts_are_those_of_the_side(clustering):
    halves = halved(clustering)
    for c in range(len(clustering.centroids)):
        mine = clustering.assignments == c
        side = mine & (halves.sides == 1)
        assert halves.sums.counts[c] == side.sum()
        if side.any():
            assert 0 < side.sum() < mine.sum()
            assert halves.gains[c] >= 0
        else:
            assert halves.gains[c] == 0


@pytest.mark.parametrize("kind", ["normal", "coarse", "offset_1e9", "far_apart"])
def test_gains_and_spreads_are_those_of_the_rows(kind, rng):
    """Against exact fractions: what the spread about the means falls by, once halves are taken."""
    rows = make_rows(kind, rng, 200, 6)
    clustering = clustered(rows, rng.integers(0, 5, size=200), 5)
    halves = halved(clustering)
    for c in range(5):
        mine = clustering.assignments == c
        own, side = rows[mine], halves.sides[mine]
        before, after = exact_spread(own, np.zeros(len(own), int)), exact_spread(own, side)
        # Both means are rounded to float32: 2**-24 of their size each, over all features.
        size = np.abs(own.astype(float)).max(axis=0)
        blur = Fraction(float((2.0**-23 * size) @ (4 * size + 2.0**-23 * size))) * len(own)
        assert abs(Fraction(float(halves.gains[c])) - (before - after)) <= blur
        spread = Fraction(clustering.grid.distance(halves.spreads[c]))
        assert abs(spread - before) <= blur


@given(clustering=clusterings())
def test_halving_again_changes_nothing(clustering):
    halves = halved(clustering)
    before = own_copy(halves)
    halve(clustering, halves)  # nothing is stale
    same(halves_of(halves), halves_of(before))
    halves.stale[:] = 1
    halve(clustering, halves)
    same(halves_of(halves), halves_of(before))


def arguments(**changes):
    standard = {
        "rows": np.zeros((5, 3), np.float32),
        "assignments": np.zeros(5, np.int32),
        "centroids": np.zeros((2, 3), np.float32),
        "sums": np.zeros((2, 3), np.int64),
        "counts": np.array([5, 0]),
        "grid": np.ones(7),
        "most": 5,
        "stale": np.ones(2, np.uint8),
        "halves": np.zeros((2, 3), np.float32),
        "half_sums": np.zeros((2, 3), np.int64),
        "half_counts": np.zeros(2, np.int64),
        "gains": np.zeros(2),
        "spreads": np.zeros((2, 2), np.int64),
        "sides": np.zeros(5, np.uint8),
        "isa": "portable",
    }
    return {**standard, **changes}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rows": np.zeros((0, 3), np.float32)}, r"rows: got shape \(0, 3\)"),
        ({"centroids": np.zeros((2, 4), np.float32)}, r"centroids: got .*2, 4.* needs d = 3"),
        ({"assignments": np.zeros(4, np.int32)}, "assignments: got 4 of them, needs 5"),
        ({"assignments": np.full(5, 2, np.int32)}, r"assignments: needs values in \[0, 2\)"),
        ({"assignments": np.full(5, -1, np.int32)}, r"assignments: needs values in \[0, 2\)"),
        ({"grid": np.ones(6)}, r"grid: got shape \(6,\), needs \(7,\)"),
        ({"most": 4}, "most: got 4, needs at least the 5 rows"),
        *(
            ({name: np.zeros(9, dtype)}, rf"{name}: got shape \(9,\), needs \({size},\)")
            for name, dtype, size in [
                *(("counts", np.int64, 2), ("stale", np.uint8, 2), ("half_counts", np.int64, 2)),
                *(("gains", np.float64, 2), ("sides", np.uint8, 5)),
            ]
        ),
        *(
            ({name: np.zeros((9, 3), dtype)}, rf"{name}: got shape \(9, 3\), needs \(2, \d\)")
            for name, dtype in [
                *(("sums", np.int64), ("halves", np.float32), ("half_sums", np.int64)),
                ("spreads", np.int64),
            ]
        ),
        ({"threads": 0}, "threads: got 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors(changes, words):
    with pytest.raises(ValueError, match=words):
        _cpu.halve(**arguments(**changes))


@pytest.mark.parametrize("name", [name for name in arguments() if name not in ("most", "isa")])
def test_dtypes_must_be_right(name):
    given_ones = arguments()
    given_ones[name] = given_ones[name].astype(np.float16)
    with pytest.raises(TypeError, match=f"^{name}: got float16"):
        _cpu.halve(**given_ones)
