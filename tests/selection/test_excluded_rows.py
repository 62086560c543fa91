"""Excluded rows: every way to name them, and nothing about them matters."""

import numpy as np
import pytest

import ally_fast
from ally_fast.selection.eligibility import excluded_mask
from ally_fast.strategies import ALLY, Context

N = 200


@pytest.fixture
def pool(rng):
    return rng.normal(size=(N, 4)).astype(np.float32), rng.normal(size=N)


@pytest.mark.parametrize(
    "exclude",
    [
        np.arange(100),
        np.arange(100, dtype=np.uint64),
        np.arange(100)[::-1],
        np.arange(N) < 100,
        (np.arange(N) < 100).tolist(),
        list(range(100)) * 2,
        range(100),
        set(range(100)),
        frozenset(range(100)),
        dict.fromkeys(range(100)).keys(),
    ],
    ids=[
        "int64",
        "uint64",
        "reversed",
        "mask",
        "list",
        "repeats",
        "range",
        "set",
        "frozen",
        "keys",
    ],
)
def test_every_way_to_name_rows(exclude, pool):
    expected = ally_fast.select(*pool, 50, 5, exclude=np.arange(100))
    np.testing.assert_array_equal(ally_fast.select(*pool, 50, 5, exclude=exclude), expected)
    strategy = ALLY(5).query(Context(embeddings=pool[0], dual_scores=pool[1], exclude=exclude), 50)
    np.testing.assert_array_equal(strategy, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, np.uint64])
def test_a_mask_of_integers_is_no_list_of_rows(dtype, pool):
    mask = (np.arange(N) < 100).astype(dtype)
    with pytest.raises(ValueError, match=r"exclude: got 200 integers, all 0 or 1: .*booleans"):
        ally_fast.select(*pool, 50, 5, exclude=mask)
    with pytest.raises(ValueError, match="exclude: got 200 integers, all 0 or 1"):
        ALLY(5).query(Context(embeddings=pool[0], dual_scores=pool[1], exclude=mask), 50)


def test_tensors(pool):
    torch = pytest.importorskip("torch")
    mask = torch.arange(N) < 100
    expected = ally_fast.select(*pool, 50, 5, exclude=np.arange(100))
    np.testing.assert_array_equal(ally_fast.select(*pool, 50, 5, exclude=mask), expected)
    for integers in (mask.byte(), mask.long()):
        with pytest.raises(ValueError, match="exclude: got 200 integers"):
            ally_fast.select(*pool, 50, 5, exclude=integers)
    with pytest.raises(TypeError, match="exclude: got bfloat16"):
        ally_fast.select(*pool, 50, 5, exclude=mask.bfloat16())


@pytest.mark.parametrize(
    ("exclude", "n", "expected"),
    [
        ([0], 1, [True]),
        ([0, 1], 2, [True, True]),
        ([1, 0], 2, [True, True]),
        ([1], 2, [False, True]),
        ([0, 1], 3, [True, True, False]),
        ([], 3, [False, False, False]),
        ([2, 2, 0, 1], 3, [True, True, True]),
    ],
    ids=str,
)
def test_distinct_rows_of_small_pools_are_rows(exclude, n, expected):
    assert excluded_mask(exclude, n).tolist() == expected


@pytest.mark.parametrize(
    ("exclude", "n"), [([1, 1], 2), ([0, 0], 2), ([0, 1, 1], 3), ([0, 0, 0], 9), ([7, 7, 9], 99)]
)
def test_two_values_that_repeat_are_a_mask(exclude, n):
    with pytest.raises(ValueError, match="a mask must be booleans"):
        excluded_mask(exclude, n)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("more", [{}, {"max_score": 1.0}, {"radius": 0.5}, {"allocation": "sqrt"}])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_scores_of_excluded_rows_may_be_anything(value, more, dtype, pool):
    rows, scores = pool[0], pool[1].astype(dtype)
    exclude = np.arange(100)
    expected = ally_fast.select(rows, scores, 20, 5, exclude=exclude, **more)
    scores[:100] = value
    np.testing.assert_array_equal(
        ally_fast.select(rows, scores, 20, 5, exclude=exclude, **more), expected
    )


def test_integers_of_excluded_rows_may_be_anything(pool):
    scores = np.arange(N)
    expected = ally_fast.select(pool[0], scores, 20, 5, exclude=[3, 4])
    scores[[3, 4]] = 2**60 + 1
    np.testing.assert_array_equal(
        ally_fast.select(pool[0], scores, 20, 5, exclude=[3, 4]), expected
    )
    with pytest.raises(ValueError, match=r"dual_scores: 1 of 199 scores are integers .* row 4"):
        ally_fast.select(pool[0], scores, 20, 5, exclude=[3])


def test_integers_that_float64_holds_are_ranked(pool):
    scores = np.full(N, 2**53, np.int64)
    scores[[7, 8]] = 2**60 + 1024, 2**60
    assert ally_fast.select(pool[0], scores, 2, 1).tolist() == [7, 8]
    assert ally_fast.select(pool[0], scores, 2, 1, max_score=2**60).tolist() == [8, 0]
