"""Farthest-first picks are the greedy ones, bit for bit."""

import numpy as np
import pytest
import reference
from cases import DTYPES, HARD_POOLS, LAYOUTS, RUNNABLE_ISAS, hard_pool, lay_out, tables
from hypothesis import given
from hypothesis import strategies as st

from ally_fast import _cpu
from ally_fast.ops.k_center_greedy import k_center_greedy
from ally_fast.rows import Rows


def run(rows, b, isa, *, starts=None, threads=2, **options):
    """Pick through the native module; starting points are given as an array."""
    table = None if starts is None else _cpu.PackedPoints(np.ascontiguousarray(starts), isa)
    return _cpu.k_center_greedy(rows, b, isa, starts=table, threads=threads, **options)


def assert_same(found, expected):
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def assert_greedy(rows, picks, distances, starts=None):
    """Replay the picks: each is the lowest of the farthest rows left."""
    nearest = np.full(len(rows), np.inf)
    for start in () if starts is None else starts:
        nearest = np.minimum(nearest, reference.squared_distance(rows, start[None])[:, 0])
    for place, pick in enumerate(picks):
        assert distances[place] == nearest[pick]
        if place or starts is not None:
            assert nearest[pick] == nearest.max()
            assert not (nearest[:pick] == nearest[pick]).any()
        nearest = np.minimum(nearest, reference.squared_distance(rows, rows[[pick]])[:, 0])
        nearest[pick] = -1.0  # taken


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@given(table=tables(st.integers(1, 80)), data=st.data())
def test_is_the_reference(isa, table, data):
    rows, starts = table
    b = data.draw(st.integers(0, len(rows)), "b")
    if data.draw(st.booleans(), "from a row"):
        first = data.draw(st.integers(0, len(rows) - 1), "first")
        expected = reference.k_center_greedy(rows, b, first=first)
        assert_same(run(rows, b, isa, first=first), expected)
    else:
        expected = reference.k_center_greedy(rows, b, starts)
        assert_same(run(rows, b, isa, starts=starts), expected)


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@given(table=tables(st.integers(1, 400), max_d=6), data=st.data())
def test_picks_replay(isa, table, data):
    rows, starts = table
    starts = data.draw(st.sampled_from([None, starts]), "starts")
    first = None if starts is not None else data.draw(st.integers(0, len(rows) - 1), "first")
    picks, distances = run(rows, len(rows), isa, starts=starts, first=first)
    assert sorted(picks.tolist()) == list(range(len(rows)))
    assert_greedy(rows, picks, distances, starts)


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@pytest.mark.parametrize("pool", HARD_POOLS)
def test_is_the_reference_on_hard_pools(isa, pool, rng):
    rows, starts = hard_pool(pool, rng, 300, 20, 17)
    assert_same(run(rows, 150, isa, first=31), reference.k_center_greedy(rows, 150, first=31))
    assert_same(run(rows, 80, isa, starts=starts), reference.k_center_greedy(rows, 80, starts))


POOLS = {
    "plain": lambda rng: rng.normal(size=(20_000, 12)),
    "two dimensions": lambda rng: rng.random((20_000, 2)),
    "grid": lambda rng: rng.integers(0, 4, size=(20_000, 5)),
    "hypercube": lambda rng: rng.integers(0, 2, size=(20_000, 16)),
    "few distinct": lambda rng: rng.normal(size=(700, 9))[rng.integers(0, 700, size=20_000)],
    "one heavy point": lambda rng: rng.normal(size=(20_000, 3)) * (rng.random((20_000, 1)) < 0.1),
    "dense clumps": lambda rng: (
        5 * rng.normal(size=(40, 8))[rng.integers(0, 40, size=20_000)]
        + 1e-3 * rng.normal(size=(20_000, 8))
    ),
    "many scales": lambda rng: np.exp(-50 * rng.random((20_000, 1))) * rng.normal(size=(20_000, 4)),
}


@pytest.mark.parametrize("name", POOLS)
def test_batches_of_rows(name, rng):
    """Pools large enough that rows are brought up to date in batches, and all at once."""
    rows = POOLS[name](rng).astype(np.float32)
    expected = reference.k_center_greedy(rows, 600, first=5)
    for isa in RUNNABLE_ISAS:
        assert_same(run(rows, 600, isa, first=5), expected)


def test_more_picks_than_a_table_holds(rng):
    rows = rng.normal(size=(4000, 3)).astype(np.float32)
    expected = reference.k_center_greedy(rows, 3000, first=0)
    for isa in RUNNABLE_ISAS:
        assert_same(run(rows, 3000, isa, first=0), expected)


def test_any_number_of_threads(threads, isa, rng):
    rows, starts = hard_pool("plain", rng, 9000, 50, 8)
    expected = reference.k_center_greedy(rows, 300, starts)
    table = _cpu.PackedPoints(starts, isa)
    assert_same(k_center_greedy(Rows(rows), 300, starts=table), expected)


def test_many_starting_points(rng, isa):
    rows, starts = hard_pool("plain", rng, 700, 5000, 6)
    assert_same(run(rows, 40, isa, starts=starts), reference.k_center_greedy(rows, 40, starts))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids="dtype={}".format)
def test_normalized_rows_at_positions(layout, dtype, rng, isa):
    rows, starts = hard_pool("plain", rng, 200, 10, 5)
    rows, starts = rows.astype(dtype), reference.normalize_rows(starts)
    positions = np.sort(rng.permutation(200)[:90]).astype(np.int64)
    options = {"normalize": True, "positions": positions}
    units = reference.normalize_rows(rows[positions])
    rows = lay_out(rows, layout)

    places, distances = reference.k_center_greedy(units, 40, starts)
    assert_same(run(rows, 40, isa, starts=starts, **options), (positions[places], distances))

    places, distances = reference.k_center_greedy(units, 40, first=33)
    found = run(rows, 40, isa, first=int(positions[33]), **options)
    assert_same(found, (positions[places], distances))


def test_bfloat16(rng, isa):
    bits = (rng.normal(size=(300, 19)).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    rows = (bits.astype(np.uint32) << 16).view(np.float32)
    found = run(bits, 60, isa, first=2, bf16=True)
    assert_same(found, reference.k_center_greedy(rows, 60, first=2))


@pytest.mark.parametrize("starts", [None, np.ones((1, 6)), np.zeros((1, 6))])
def test_equal_rows_come_in_order(starts, isa):
    rows = np.ones((500, 6), dtype=np.float32)
    first = None if starts is not None else 7
    picks, distances = run(rows, 500, isa, starts=starts, first=first)
    order = list(range(500))
    assert picks.tolist() == (order if first is None else [7, *order[:7], *order[8:]])
    assert (distances[1:] == 0).all()


def test_distances_beyond_float64(isa):
    """Infinite distances between finite rows tie."""
    rows = np.array([[1e200], [-1e200], [3e200], [0.0], [1.0]])
    assert_same(run(rows, 5, isa, first=3), reference.k_center_greedy(rows, 5, first=3))


def test_one_row(isa):
    row = np.array([[3.0, 4.0]])
    assert_same(run(row, 1, isa, first=0), ([0], [np.inf]))
    assert_same(run(row, 1, isa, starts=np.zeros((1, 2))), ([0], [25.0]))


def test_no_picks(isa):
    for n in (0, 3):
        picks, distances = run(np.full((n, 2), np.nan), 0, isa)
        assert (picks.shape, picks.dtype) == ((0,), np.int64)
        assert (distances.shape, distances.dtype) == ((0,), np.float64)


@pytest.mark.parametrize("normalize", [False, True], ids="normalize={}".format)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids="value={}".format)
@pytest.mark.parametrize("starts", [None, np.zeros((1, 4))], ids=["first", "starts"])
def test_rows_that_are_not_finite(starts, value, normalize, rng, isa):
    rows = rng.normal(size=(600, 4))
    rows[[41, 300, 599], [0, 3, 2]] = value
    message = r"rows: 3 of 600 hold NaN or infinite values, the first is row 41; needs finite"
    for first in [None] if starts is not None else [0, 41, 300]:
        with pytest.raises(ValueError, match=message):
            run(rows, 5, isa, starts=starts, first=first, normalize=normalize)
    others = np.delete(np.arange(600), [41, 300, 599])
    options = {"positions": others, "normalize": normalize}
    run(rows, 5, isa, starts=starts, first=None if starts is not None else 0, **options)
    with pytest.raises(ValueError, match=r"rows: 1 of 2 hold .* the first is row 300"):
        run(rows, 1, isa, starts=np.zeros((1, 4)), positions=np.array([2, 300]))


ZERO = np.zeros((1, 3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"b": 11, "first": 0}, r"b: got 11, needs 0 to 10 \(the rows visited\)"),
        ({"b": -1, "first": 0}, r"b: got -1, needs 0 to 10"),
        ({"b": 2}, "first: needs a row where there are no starting points"),
        ({"b": 2, "first": 1, "starts": ZERO}, "first: needs None where there are starting points"),
        ({"b": 2, "first": 10}, "first: got 10, needs one of the rows visited"),
        ({"b": 2, "first": -1}, "first: got -1, needs one of the rows visited"),
        ({"b": 1, "first": 1, "positions": [0, 2]}, "first: got 1, needs one of the rows visited"),
        ({"b": 3, "first": 0, "positions": [0, 2]}, r"b: got 3, needs 0 to 2"),
        ({"b": 1, "first": 0, "positions": [2, 0]}, "positions: needs ascending values, each once"),
        ({"b": 1, "first": 2, "positions": [2, 2]}, "positions: needs ascending values, each once"),
        ({"b": 1, "first": 0, "positions": [0, 10]}, r"positions: needs values in \[0, 10\)"),
        ({"b": 1, "starts": np.zeros((1, 4))}, r"rows: got shape \(10, 3\), needs d = 4"),
        ({"b": 1, "first": 0, "threads": 0}, "threads: got 0, needs at least 1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors(arguments, message):
    if "positions" in arguments:
        arguments = {**arguments, "positions": np.array(arguments["positions"])}
    with pytest.raises(ValueError, match=message):
        run(np.zeros((10, 3)), isa=RUNNABLE_ISAS[0], **arguments)


def test_rows_without_features_or_of_another_rank():
    for rows in (np.zeros((3, 0)), np.zeros(3)):
        with pytest.raises(ValueError, match="rows: got shape"):
            run(rows, 1, RUNNABLE_ISAS[0], first=0)
    with pytest.raises(TypeError, match="rows: got int64"):
        run(np.zeros((3, 2), dtype=np.int64), 1, RUNNABLE_ISAS[0], first=0)


def test_real_rows_with_many_copies(connections):
    rows = np.ascontiguousarray(connections[:20_000])
    answers = [run(rows, 150, isa, first=0) for isa in RUNNABLE_ISAS]
    assert_greedy(rows, *answers[0])
    for answer in answers[1:]:
        assert_same(answer, answers[0])
