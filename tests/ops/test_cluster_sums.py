"""Sums of clusters as integers: in any order, in parts, and at the ends of the range."""

from fractions import Fraction

import numpy as np
import pytest
import reference
from cases import RUNNABLE_ISAS, core
from hypothesis import given
from training_cases import ROWS, clusterings, make_rows, same

from ally_fast import _cpu
from ally_fast.clusters import FeatureGrid
from ally_fast.ops.cluster_sums import cluster_sums
from ally_fast.ops.feature_grid import feature_grid

LARGEST = np.finfo(np.float32).max


def sums_of(rows, assignments, k, grid, centroids=None):
    found, spread = cluster_sums(rows, assignments, k, grid, centroids=centroids)
    return found.sums, found.counts, spread


def summed_by_reference(rows, assignments, k, grid, centroids=None):
    return reference.cluster_sums(rows, assignments, k, grid.values, grid.most, centroids)


def exact_distance(rows, assignments, centroids):
    """Return the sum of squared distances without any rounding."""
    return sum(
        (Fraction(x) - Fraction(c)) ** 2
        for row, centroid in zip(rows, centroids[assignments], strict=True)
        for x, c in zip(row.tolist(), centroid.tolist(), strict=True)
    )


@given(clustering=clusterings())
def test_is_the_reference(clustering):
    rows, assignments, grid = clustering.rows, clustering.assignments, clustering.grid
    k = len(clustering.centroids)
    with_spread = summed_by_reference(rows, assignments, k, grid, clustering.centroids)
    without = summed_by_reference(rows, assignments, k, grid)
    for isa in RUNNABLE_ISAS:
        for threads in (1, 3):
            with core(isa=isa, threads=threads):
                same(sums_of(rows, assignments, k, grid, clustering.centroids), with_spread)
                same(sums_of(rows, assignments, k, grid), without)


@pytest.mark.parametrize(
    ("t", "d", "k"),
    [(30_000, 33, 4), (30_000, 7, 900), (400, 4096, 3), (50_000, 1, 2), (20_000, 64, 1)],
    ids=str,
)
def test_threads_share_clusters(t, d, k, rng):
    """Clusters that several threads add to, whole ones in one task, and empty ones."""
    rows = rng.normal(size=(t, d)).astype(np.float32)
    assignments = (rng.integers(0, k, size=t) ** 2 // k).astype(np.int32)
    centroids = rows[:k].copy()
    grid = feature_grid(rows)
    d_in, scale = rows.astype(np.float64) - grid.values[:d], grid.values[d : 2 * d]
    steps = np.rint(d_in * scale).astype(np.int64)
    expected = np.zeros((k, d), np.int64)
    np.add.at(expected, assignments, steps)
    spreads = set()
    for isa in RUNNABLE_ISAS:
        for threads in (1, 2, 5):
            with core(isa=isa, threads=threads):
                sums, counts, spread = sums_of(rows, assignments, k, grid, centroids)
            np.testing.assert_array_equal(sums, expected)
            np.testing.assert_array_equal(counts, np.bincount(assignments, minlength=k))
            spreads.add(spread.tobytes())
    assert len(spreads) == 1


@pytest.mark.parametrize("kind", sorted(ROWS))
def test_parts_add_up_to_the_whole(kind, rng, isa):
    rows, k = make_rows(kind, rng, 3000, 11), 7
    assignments = rng.integers(0, k, size=3000).astype(np.int32)
    centroids = rows[:k].copy()
    grid = feature_grid(rows)
    whole = sums_of(rows, assignments, k, grid, centroids)
    order = rng.permutation(3000)
    parts = [
        sums_of(np.ascontiguousarray(rows[part]), assignments[part], k, grid, centroids)
        for part in np.split(order, [1, 700, 701, 2500])
    ]
    same([sum(words) for words in zip(*parts, strict=True)], whole)


def test_sums_are_added_to_what_is_there(rng):
    rows = rng.normal(size=(50, 3)).astype(np.float32)
    ids = rng.integers(0, 4, size=50).astype(np.int32)
    grid = feature_grid(rows)
    sums, counts, spread = (array + 5 for array in sums_of(rows, ids, 4, grid, rows[:4]))
    arguments = (rows, ids, grid.values, 50, sums, counts, "portable")
    _cpu.cluster_sums(*arguments, centroids=rows[:4], spread=spread)
    same((sums, counts, spread), [2 * x + 5 for x in sums_of(rows, ids, 4, grid, rows[:4])])


@pytest.mark.parametrize("value", [LARGEST, np.float32(1.5)], ids=["largest", "above_a_power"])
def test_as_many_rows_as_there_can_be_at_the_largest_magnitude(value, isa):
    """2**22 rows of one sign but one: the sum stands next to t * 2**bits and does not overflow."""
    t = 2**22
    rows = np.full((t, 1), value, np.float32)
    rows[7] = -value
    grid = feature_grid(rows)
    sums, counts, _ = sums_of(rows, np.zeros(t, np.int32), 1, grid)
    step = round(Fraction(float(value)) * Fraction(grid.values[1].item()))
    assert 2**39 <= step <= 2**40
    assert sums.tolist() == [[(t - 2) * step]]
    assert counts.tolist() == [t]


def test_the_largest_steps_stay_below_two_to_the_62(isa):
    """Just below the next power of two: each row is 2**40 steps, the sum is t * 2**bits."""
    t = 2**22
    below = np.nextafter(np.float32(2), np.float32(0))
    rows = np.full((t, 1), below, np.float32)
    grid = feature_grid(np.array([[-below]] + [[below]] * 3, np.float32))
    grid = FeatureGrid(np.array([0.0, 2.0**39, 2.0**76]), t)  # that of a half of just below 2
    sums, _, spread = sums_of(rows, np.zeros(t, np.int32), 1, grid, np.array([[-below]]))
    assert sums.tolist() == [[t * int(float(below) * 2**39)]]
    assert 2**61 < sums[0, 0] <= 2**62
    exact = t * (2 * Fraction(float(below))) ** 2
    assert abs(Fraction(grid.distance(spread)) - exact) <= exact / 2**50
    assert abs(spread[0]) <= 2**62
    assert abs(spread[1]) < 2**62


def test_all_rows_equal_have_no_spread(isa, rng):
    rows = np.tile(rng.normal(size=300).astype(np.float32), (1000, 1))
    grid = feature_grid(rows)
    sums, _, spread = sums_of(rows, np.zeros(1000, np.int32), 1, grid, rows[:1])
    assert not sums.any()
    assert grid.distance(spread) == 0
    np.testing.assert_array_equal(grid.values[:300], rows[0])


@pytest.mark.parametrize("kind", ["normal", "offset_1e9", "subnormal", "far_apart"])
@pytest.mark.parametrize("d", [1, 4096], ids="d={}".format)
def test_the_spread_has_the_digits_of_its_terms(kind, d, rng):
    """Of the exact sum, within the rounding of float64 distances and of the grid."""
    t = 30 if d > 1 else 2000
    rows = make_rows(kind, rng, t, d)
    ids = rng.integers(0, 3, size=t).astype(np.int32)
    grid = feature_grid(rows)
    found = grid.distance(sums_of(rows, ids, 3, grid, rows[:3].copy())[2])
    exact = exact_distance(rows, ids, rows[:3])
    # A distance is 2 + d / 8 + 3 roundings; each row is off by half a step of the low word.
    relative, step = (d / 8 + 6) * 2.0**-53, 1 / Fraction(grid.values[-1].item())
    assert abs(Fraction(found) - exact) <= exact * Fraction(relative) + t * step / 2


def test_means_have_the_digits_of_their_features(rng):
    rows = make_rows("one_huge_column", rng, 500, 2)
    rows[:, 1] *= np.float32(1e-30)
    grid = feature_grid(rows)
    sums, _, _ = sums_of(rows, np.zeros(500, np.int32), 1, grid)
    for j in range(2):
        mean = sum(Fraction(x) for x in rows[:, j].tolist()) / 500
        steps = Fraction(int(sums[0, j])) / Fraction(grid.values[2 + j].item()) / 500
        width = Fraction(float(rows[:, j].max())) - Fraction(float(rows[:, j].min()))
        assert abs(Fraction(grid.values[j].item()) + steps - mean) <= width / 2**50


def test_distances_beyond_the_range_saturate(isa):
    """From a centroid far outside the rows: as the end of the range, not as garbage."""
    rows = np.array([[0.0], [1.0]], np.float32)
    grid = feature_grid(rows)
    ids, far = np.zeros(2, np.int32), np.array([[LARGEST]], np.float32)
    _, _, spread = sums_of(rows, ids, 1, grid, far)
    assert spread.tolist() == [2**51, 0]
    assert grid.distance(spread) == 2 * 2.0**90 / grid.values[-1]
    same(sums_of(rows, ids, 1, grid, far), summed_by_reference(rows, ids, 1, grid, far))


def arguments(**changes):
    standard = {
        "rows": np.zeros((5, 3), np.float32),
        "assignments": np.zeros(5, np.int32),
        "grid": np.ones(7),
        "most": 5,
        "sums": np.zeros((2, 3), np.int64),
        "counts": np.zeros(2, np.int64),
        "isa": "portable",
        "centroids": np.zeros((2, 3), np.float32),
        "spread": np.zeros(2, np.int64),
    }
    return {**standard, **changes}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rows": np.zeros((0, 3), np.float32)}, r"rows: got shape \(0, 3\)"),
        ({"rows": np.zeros((5, 2), np.float32)}, r"sums: got shape \(2, 3\), needs \(2, 2\)"),
        ({"assignments": np.zeros(4, np.int32)}, "assignments: got 4 of them, needs 5"),
        ({"assignments": np.full(5, 2, np.int32)}, r"assignments: needs values in \[0, 2\)"),
        ({"assignments": np.full(5, -1, np.int32)}, r"assignments: needs values in \[0, 2\)"),
        ({"grid": np.ones(6)}, r"grid: got shape \(6,\), needs \(7,\)"),
        ({"most": 4}, "most: got 4, needs at least the 5 rows"),
        ({"sums": np.zeros((3, 3), np.int64)}, r"sums: got shape \(3, 3\), needs \(2, 3\)"),
        ({"counts": np.zeros(3, np.int64)}, r"sums: got shape \(2, 3\), needs \(3, 3\)"),
        ({"centroids": np.zeros((3, 3), np.float32)}, r"centroids: .* needs \(2, 3\)"),
        ({"spread": np.zeros(3, np.int64)}, r"spread: got shape \(3,\), needs \(2,\)"),
        ({"spread": None}, "centroids, spread: needs both or neither"),
        ({"centroids": None}, "centroids, spread: needs both or neither"),
        ({"threads": 0}, "threads: got 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors(changes, words):
    with pytest.raises(ValueError, match=words):
        _cpu.cluster_sums(**arguments(**changes))


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *(("rows", np.float64), ("assignments", np.int64), ("grid", np.float32)),
        *(("sums", np.int32), ("counts", np.float64), ("centroids", np.float64)),
        ("spread", np.int32),
    ],
)
def test_dtypes_must_be_right(name, dtype):
    given_ones = arguments()
    given_ones[name] = given_ones[name].astype(dtype)
    with pytest.raises(TypeError, match=f"^{name}: got {np.dtype(dtype).name}"):
        _cpu.cluster_sums(**given_ones)


def test_nothing_is_written_when_an_argument_is_wrong():
    given_ones = arguments(assignments=np.array([0, 1, 0, 1, 2], np.int32))
    with pytest.raises(ValueError, match="assignments"):
        _cpu.cluster_sums(**given_ones)
    assert not given_ones["counts"].any()
