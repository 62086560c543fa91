"""D² sampling by factors is D² sampling of the outer products, which are formed here."""

from dataclasses import replace

import numpy as np
import pytest
import reference
from cases import DTYPES, LAYOUTS, RUNNABLE_ISAS, lay_out
from hypothesis import given
from hypothesis import strategies as st

from ally_fast import _cpu
from ally_fast.ops.d2_sample_outer import d2_sample_outer
from ally_fast.rows import Rows


def run(left, right, b, seed, isa=RUNNABLE_ISAS[0], threads=2, **options):
    return _cpu.d2_sample_outer(left, right, b, seed, isa, threads=threads, **options)


def of_products(left, right, b, seed, targets=None):
    """Draw with the oracle that takes rows; the products must be of few bits."""
    rows = reference.outer_rows(left, right, targets)
    np.testing.assert_array_equal(rows.astype(np.float32), rows)
    return reference.d2_sample(rows, b, seed)


def short_factors(rng, n, c, d, bits=7):
    """Return factors of few bits, and of lengths that differ a thousandfold."""
    low, high = -(2**bits), 2**bits
    left = rng.integers(low, high, size=(n, c)) * 2.0 ** rng.integers(-12, 0, size=(n, 1))
    right = rng.integers(low, high, size=(n, d)) * 2.0 ** rng.integers(-6, 0, size=(n, 1))
    return left.astype(np.float32), right.astype(np.float32)


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@given(data=st.data())
def test_exact_numbers_give_the_same_picks(isa, data):
    """Small integers: every distance is exact, so weights and picks agree bit for bit."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), "seed of the rows"))
    n, c, d = (data.draw(st.integers(1, most)) for most in (200, 10, 12))
    left = rng.integers(-2, 3, size=(n, c)).astype(np.float32)
    right = rng.integers(-3, 4, size=(n, d)).astype(np.float32)
    targets = rng.integers(0, c, size=n) if data.draw(st.booleans(), "targets") else None
    b, seed = data.draw(st.integers(1, n), "b"), data.draw(st.integers(0, 2**64 - 1), "seed")
    found = run(left, right, b, seed, isa, targets=targets)
    np.testing.assert_array_equal(found, of_products(left, right, b, seed, targets))


@pytest.mark.parametrize("seed", range(5), ids="seed={}".format)
def test_large_draws_give_the_same_picks(seed, rng):
    """Thousands of rows, hundreds of picks: most pairs are settled by their bounds alone."""
    left, right = short_factors(rng, 5000, 10, 16)
    np.testing.assert_array_equal(run(left, right, 700, seed), of_products(left, right, 700, seed))


@pytest.mark.parametrize("b", [1, 2, 3, 4, 5], ids="b={}".format)
def test_follows_the_distribution(b, rng):
    probabilities = rng.dirichlet([0.5, 0.5, 0.5], size=5)
    embeddings = rng.normal(size=(5, 4))
    targets = probabilities.argmax(axis=1)
    truth = reference.d2_probabilities(reference.outer_rows(probabilities, embeddings, targets), b)
    counts = dict.fromkeys(truth, 0)
    for seed in range(10_000):
        counts[tuple(run(probabilities, embeddings, b, seed, targets=targets).tolist())] += 1
    expected = 10_000 * np.array(list(truth.values()))
    found = np.array(list(counts.values()))
    rare = expected < 8
    if rare.any():  # outcomes too rare for the statistic count as one
        found, expected = (np.append(x[~rare], x[rare].sum()) for x in (found, expected))
    freedom = len(found) - 1
    statistic = ((found - expected) ** 2 / np.maximum(expected, 1e-9)).sum()
    assert statistic < freedom + 5 * np.sqrt(2 * freedom)


def test_one_answer(rng):
    left, right = rng.dirichlet(np.full(7, 0.3), size=4000), rng.normal(size=(4000, 33))
    targets = left.argmax(axis=1)
    answers = {
        run(left, right, 300, 11, isa, threads, targets=targets).tobytes()
        for isa in RUNNABLE_ISAS
        for threads in (1, 2, 5)
    }
    assert len(answers) == 1


def test_all_seed_bits_count(rng):
    left, right = rng.normal(size=(500, 4)), rng.normal(size=(500, 8))
    draws = [run(left, right, 10, seed).tolist() for seed in (5, 5 + 2**40, 6, 5)]
    assert draws[0] == draws[3]
    assert len({tuple(draw) for draw in draws}) == 3


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids="dtype={}".format)
def test_layouts_dtypes_and_positions(layout, dtype, rng, isa):
    left = rng.integers(-2, 3, size=(300, 5)).astype(dtype)
    right = rng.integers(-3, 4, size=(300, 7)).astype(dtype)
    targets = rng.integers(0, 5, size=300)
    positions = np.sort(rng.permutation(300)[:140]).astype(np.int64)
    expected = positions[of_products(left[positions], right[positions], 60, 3, targets[positions])]
    left, right = lay_out(left, layout), lay_out(right, layout)
    found = d2_sample_outer(Rows(left), Rows(right), 60, 3, targets=targets, positions=positions)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("wrong", [{"normalize": True}, {"positions": np.arange(3)}], ids=str)
@pytest.mark.parametrize("which", ["left", "right"])
def test_factors_are_taken_as_they_are(which, wrong, rng):
    factors = {name: Rows(rng.normal(size=(9, 3))) for name in ("left", "right")}
    factors[which] = replace(factors[which], **wrong)
    with pytest.raises(ValueError, match=f"^{which}: is normalized or has positions"):
        d2_sample_outer(**factors, b=2, seed=0)


@pytest.mark.parametrize("which", ["left", "right"])
def test_bfloat16(which, rng):
    factors = {
        "left": rng.integers(-2, 3, size=(200, 4)).astype(np.float32),
        "right": rng.integers(-3, 4, size=(200, 5)).astype(np.float32),
    }
    expected = of_products(**factors, b=50, seed=1)
    bits = {**factors, which: (factors[which].view(np.uint32) >> 16).astype(np.uint16)}
    found = run(**bits, b=50, seed=1, **{f"{which}_bf16": True})
    np.testing.assert_array_equal(found, expected)


def test_takes_distinct_products_while_there_are_any(rng, isa):
    left, right = rng.normal(size=(12, 3)), rng.normal(size=(12, 6))
    copies = np.append(np.arange(12), rng.integers(0, 12, size=388))
    picks = run(left[copies], right[copies], 12, 3, isa)
    assert sorted(copies[picks].tolist()) == list(range(12))
    every = run(left[copies], right[copies], 400, 3, isa)
    assert sorted(every.tolist()) == list(range(400))
    np.testing.assert_array_equal(every[:12], picks)
    assert (np.diff(every[12:]) > 0).all()


def test_near_copies_are_told_apart(rng):
    """Distances far below the rounding of the products' lengths are still seen."""
    left = np.ones((64, 3)) + 1e-12 * rng.normal(size=(64, 3))
    right = 1e4 * np.ones((64, 5))
    left[1:33] = left[0]
    assert len(set(run(left, right, 33, 0).tolist()) - set(range(1, 33))) >= 32


def test_zero_products_come_last_in_order(isa):
    """A model that is sure of every row has no gradients: the lowest rows are taken."""
    sure = np.eye(3)[np.arange(30) % 3]
    right = np.arange(60.0).reshape(30, 2) + 1
    first, *others = run(sure, right, 30, 9, isa, targets=np.arange(30) % 3).tolist()
    assert others == [i for i in range(30) if i != first]


def test_extreme_lengths(rng, isa):
    left = rng.normal(size=(200, 3)) * 10.0 ** rng.integers(-160, 45, size=(200, 1))
    right = rng.normal(size=(200, 4)) * 10.0 ** rng.integers(-160, 45, size=(200, 1))
    picks = run(left, right, 200, 2, isa)
    assert sorted(picks.tolist()) == list(range(200))


def test_no_picks():
    picks = run(np.full((3, 2), np.nan), np.ones((3, 2)), 0, 0)
    assert (picks.shape, picks.dtype) == ((0,), np.int64)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e51], ids="value={}".format)
@pytest.mark.parametrize("which", ["left", "right"])
def test_rows_that_cannot_be_used(which, value, rng, isa):
    factors = {"left": rng.normal(size=(90, 3)), "right": rng.normal(size=(90, 4))}
    factors[which][[41, 77], [0, 2]] = value
    message = r"rows: 2 of 90 hold NaN, infinite or huge values, the first is row 41"
    with pytest.raises(ValueError, match=message):
        run(**factors, b=5, seed=0, isa=isa)
    others = np.delete(np.arange(90), [41, 77])
    run(**factors, b=5, seed=0, isa=isa, positions=others)
    with pytest.raises(ValueError, match=r"rows: 1 of 2 hold .* the first is row 77"):
        run(**factors, b=1, seed=0, isa=isa, positions=np.array([2, 77]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"b": 11}, r"b: got 11, needs 0 to 10 \(the rows visited\)"),
        ({"b": -1}, r"b: got -1, needs 0 to 10"),
        ({"b": 3, "positions": [0, 2]}, "b: got 3, needs 0 to 2"),
        ({"positions": [2, 0]}, "positions: needs ascending values, each once"),
        ({"positions": [0, 10]}, r"positions: needs values in \[0, 10\)"),
        ({"right": np.zeros((9, 4))}, r"right: got shape \(9, 4\), needs \(10, d\)"),
        ({"right": np.zeros((10, 0))}, r"right: got shape \(10, 0\), needs columns in \[1, "),
        ({"left": np.zeros((10, 0))}, r"left: got shape \(10, 0\), needs columns in \[1, "),
        ({"targets": [0] * 9}, "targets: got 9 of them, needs 10"),
        ({"targets": [0] * 9 + [3]}, r"targets: needs values in \[0, 3\)"),
        ({"threads": 0}, "threads: got 0, needs at least 1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors(arguments, message):
    given_ones = {"left": np.zeros((10, 3)), "right": np.zeros((10, 4)), "b": 2, "seed": 0}
    for name in ("positions", "targets"):
        if name in arguments:
            arguments = {**arguments, name: np.array(arguments[name])}
    with pytest.raises(ValueError, match=message):
        run(**{**given_ones, **arguments})
