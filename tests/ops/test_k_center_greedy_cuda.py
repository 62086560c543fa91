"""Farthest-first picks on the GPU: the CPU's, bit for bit."""

import numpy as np
import pytest
import reference
from cases import DTYPES, HARD_POOLS, LAYOUTS, hard_pool, lay_out
from cuda_arrays import put, put_view
from hypothesis import given, settings
from hypothesis import strategies as st

from ally_fast import _cpu
from ally_fast.ops.k_center_greedy import k_center_greedy
from ally_fast.rows import Rows

pytestmark = pytest.mark.gpu

ISA = _cpu.isas()[0]


def on_host(rows, b, *, starts=None, **options):
    table = None if starts is None else _cpu.PackedPoints(starts, ISA)
    return _cpu.k_center_greedy(rows, b, ISA, starts=table, threads=2, **options)


def on_device(rows, b, stream, *, starts=None, positions=None, first=None, **seen):
    from ally_fast import _cuda

    positions = None if positions is None else put(positions, stream)
    picks, distances = k_center_greedy(
        Rows(put_view(rows, stream), positions=positions, **seen),
        b,
        starts=None if starts is None else _cuda.PackedPoints(put(starts, stream)),
        first=first,
    )
    return picks.to_host(), distances.to_host()


def check(rows, b, stream, **options):
    found, expected = on_device(rows, b, stream, **options), on_host(rows, b, **options)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    return found


@pytest.mark.parametrize(
    ("n", "d", "b"),
    [(1, 1, 1), (2, 3, 2), (64, 5, 64), (65, 8, 65), (66, 9, 3), (200, 2, 50), (260, 70, 6)],
    ids=str,
)
def test_is_the_cpu(n, d, b, stream, rng):
    rows, starts = hard_pool("plain", rng, n, 7, d)
    check(rows, b, stream, first=n // 2)
    check(rows, b, stream, starts=starts)


@pytest.mark.parametrize("pool", HARD_POOLS)
def test_hard_pools(pool, stream, rng):
    rows, starts = hard_pool(pool, rng, 120, 10, 9)
    check(rows, 20, stream, first=31)
    check(rows, 20, stream, starts=starts)


POOLS = {
    "two dimensions": lambda rng: rng.random((250, 2)),
    "grid": lambda rng: rng.integers(0, 4, size=(250, 3)),
    "hypercube": lambda rng: rng.integers(0, 2, size=(250, 8)),
    "few distinct": lambda rng: rng.normal(size=(30, 9))[rng.integers(0, 30, size=250)],
    "one heavy point": lambda rng: rng.normal(size=(250, 3)) * (rng.random((250, 1)) < 0.1),
    "dense clumps": lambda rng: (
        5 * rng.normal(size=(9, 4))[rng.integers(0, 9, size=250)] + 1e-3 * rng.normal(size=(250, 4))
    ),
    "many scales": lambda rng: np.exp(-50 * rng.random((250, 1))) * rng.normal(size=(250, 4)),
}


@pytest.mark.parametrize("name", POOLS)
def test_ties_copies_and_scales(name, stream, rng):
    rows = POOLS[name](rng).astype(np.float32)
    check(rows, 30, stream, first=5)


@pytest.mark.parametrize("name", ["grid", "few distinct"])
def test_all_rows(name, stream, rng):
    rows = POOLS[name](rng).astype(np.float32)[:150]
    picks, distances = check(rows, 150, stream, first=5)
    assert sorted(picks.tolist()) == list(range(150))
    assert distances[-1] == 0


@settings(max_examples=12)
@given(seed=st.integers(0, 2**32 - 1), data=st.data())
def test_small_integers(seed, data):
    """Rows on a coarse grid: ties at the edge of every round's set."""
    from ally_fast import _cuda

    rng = np.random.default_rng(seed)
    n, d = data.draw(st.integers(1, 150), "n"), data.draw(st.integers(1, 4), "d")
    rows = rng.integers(-2, 3, size=(n, d)).astype(data.draw(st.sampled_from(DTYPES), "dtype"))
    b = data.draw(st.integers(0, min(n, 40)), "b")
    given_starts = data.draw(st.booleans(), "starts")
    starts = rng.integers(-2, 3, size=(3, d)).astype(np.float32)
    origin = {"starts": starts} if given_starts else {"first": int(rng.integers(n))}
    check(rows, b, _cuda.Stream(0), **origin)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_normalized_rows_at_positions(layout, dtype, stream, rng):
    rows, starts = hard_pool("plain", rng, 160, 10, 5)
    starts = reference.normalize_rows(starts).astype(np.float32)
    positions = np.sort(rng.permutation(160)[:90]).astype(np.int64)
    rows = lay_out(rows.astype(dtype), layout)
    options = {"normalize": True, "positions": positions}
    origin = {"first": int(positions[33])} if layout == "c_order" else {"starts": starts}
    check(rows, 12, stream, **origin, **options)


def test_bfloat16(stream, rng):
    bits = (rng.normal(size=(200, 19)).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    check(bits, 20, stream, first=2, bf16=True)


@pytest.mark.parametrize("starts", [None, np.ones((1, 6)), np.zeros((1, 6))])
def test_equal_rows_come_in_order(starts, stream):
    rows = np.ones((1030, 6), dtype=np.float32)
    first = None if starts is not None else 7
    picks, _ = check(rows, 1030, stream, starts=starts, first=first)
    order = list(range(1030))
    assert picks.tolist() == (order if first is None else [7, *order[:7], *order[8:]])


def test_distances_beyond_float64(stream, rng):
    """Infinite distances between finite rows tie."""
    rows = np.array([[1e200], [-1e200], [3e200], [0.0], [1.0]])
    check(rows, 5, stream, first=3)
    rows = rng.choice([1e200, -1e200, 3e250, 1.0], size=(120, 3))
    check(rows, 50, stream, first=3)


def test_no_picks(stream):
    for n in (0, 3):
        picks, distances = on_device(np.full((n, 2), np.nan), 0, stream)
        assert (picks.shape, picks.dtype) == ((0,), np.int64)
        assert (distances.shape, distances.dtype) == ((0,), np.float64)


@pytest.mark.parametrize("normalize", [False, True], ids="normalize={}".format)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids="value={}".format)
@pytest.mark.parametrize("starts", [None, np.zeros((1, 4))], ids=["first", "starts"])
def test_rows_that_are_not_finite(starts, value, normalize, stream, rng):
    rows = rng.normal(size=(200, 4))
    rows[[41, 130, 199], [0, 3, 2]] = value
    message = r"rows: 3 of 200 hold NaN or infinite values, the first is row 41; needs finite"
    for first in [None] if starts is not None else [41]:
        with pytest.raises(ValueError, match=message):
            on_device(rows, 5, stream, starts=starts, first=first, normalize=normalize)
    others = np.delete(np.arange(200), [41, 130, 199])
    options = {"positions": others, "normalize": normalize}
    check(rows, 3, stream, starts=starts, first=None if starts is not None else 0, **options)
    with pytest.raises(ValueError, match=r"rows: 1 of 2 hold .* the first is row 130"):
        on_device(rows, 1, stream, starts=np.zeros((1, 4)), positions=np.array([2, 130]))


ZERO = np.zeros((1, 3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"b": 11, "first": 0}, r"b: got 11, needs 0 to 10 \(the rows visited\)"),
        ({"b": 2}, "first: needs a row where there are no starting points"),
        ({"b": 2, "first": 1, "starts": ZERO}, "first: needs None where there are starting points"),
        ({"b": 2, "first": 10}, "first: got 10, needs one of the rows visited"),
        ({"b": 2, "first": -1}, "first: got -1, needs one of the rows visited"),
        ({"b": 1, "first": 1, "positions": [0, 2]}, "first: got 1, needs one of the rows visited"),
        ({"b": 3, "first": 0, "positions": [0, 2]}, r"b: got 3, needs 0 to 2"),
        ({"b": 1, "first": 0, "positions": [2, 0]}, "positions: needs ascending values, each once"),
        ({"b": 1, "first": 2, "positions": [2, 2]}, "positions: needs ascending values, each once"),
        ({"b": 1, "first": 0, "positions": [0, 10]}, r"positions: needs values in \[0, 10\)"),
        ({"b": 1, "starts": np.zeros((1, 4))}, r"rows: got .*\(10, 3\), needs d = 4"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors(arguments, message, stream):
    if "positions" in arguments:
        arguments = {**arguments, "positions": np.array(arguments["positions"])}
    with pytest.raises(ValueError, match=message):
        on_device(np.zeros((10, 3)), stream=stream, **arguments)


def test_starts_of_another_stream(stream):
    from ally_fast import _cuda

    table = _cuda.PackedPoints(put(ZERO, _cuda.Stream(0)))
    with pytest.raises(ValueError, match="table: of another stream than the rows"):
        k_center_greedy(Rows(put(np.zeros((10, 3)), stream)), 1, starts=table)
