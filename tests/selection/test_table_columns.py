"""Columns of Arrow, pandas and Polars are arrays as any other."""

import subprocess
import sys

import numpy as np
import pytest

import ally_fast
from ally_fast.strategies import ALLY, BALD, Context, EntropySampling, LearningLoss

N, D = 120, 6
EXCLUDED = np.arange(N) < 40


@pytest.fixture(params=["pyarrow", "pandas", "polars"])
def library(request):
    """Return (column of numbers, column of vectors) of each library."""
    module = pytest.importorskip(request.param)
    if request.param == "pyarrow":
        return module.array, lambda rows: module.FixedSizeListArray.from_arrays(
            module.array(rows.ravel()), rows.shape[1]
        )
    if request.param == "pandas":  # the index must play no part
        index = np.arange(N)[::-1] / 2
        return lambda column: module.Series(column, index=index), (
            lambda rows: module.DataFrame(rows, index=index)
        )
    return module.Series, lambda rows: module.Series(
        values=rows, dtype=module.Array(module.Float32, rows.shape[1])
    )


@pytest.fixture
def pool(rng):
    return rng.normal(size=(N, D)).astype(np.float32), rng.normal(size=N)


def test_select(library, pool):
    column, vectors = library
    embeddings, scores = pool
    expected = ally_fast.select(embeddings, scores, 30, 5, exclude=EXCLUDED, radius=0.1)
    for exclude in (column(EXCLUDED), column(np.flatnonzero(EXCLUDED).repeat(3))[:N]):
        found = ally_fast.select(
            vectors(embeddings), column(scores), 30, 5, exclude=exclude, radius=0.1
        )
        assert isinstance(found, np.ndarray)
        np.testing.assert_array_equal(found, expected)
    expected = ally_fast.select(
        embeddings, scores, 30, 5, centroids=embeddings[:5], allocation=np.arange(1.0, 6)
    )
    found = ally_fast.select(
        vectors(embeddings),
        column(scores),
        30,
        5,
        centroids=vectors(embeddings)[:5],
        allocation=column(np.arange(1.0, N + 1))[:5],
    )
    np.testing.assert_array_equal(found, expected)


def test_scores_null_where_excluded(library, pool):
    column, _ = library
    embeddings, scores = pool
    expected = ally_fast.select(embeddings, scores, 30, 5, exclude=EXCLUDED)
    null = column([None if out else score for out, score in zip(EXCLUDED, scores, strict=True)])
    np.testing.assert_array_equal(
        ally_fast.select(embeddings, null, 30, 5, exclude=EXCLUDED), expected
    )
    with pytest.raises(ValueError, match=r"dual_scores: 40 of 120 scores are NaN .* row 0"):
        ally_fast.select(embeddings, null, 30, 5)


def test_strategies(library, pool):
    column, vectors = library
    embeddings, scores = pool
    probabilities = np.exp(embeddings) / np.exp(embeddings).sum(axis=1, keepdims=True)
    for strategy, given, wrapped in (
        (
            ALLY(5),
            {"embeddings": embeddings, "dual_scores": scores},
            {"embeddings": vectors(embeddings), "dual_scores": column(scores)},
        ),
        (LearningLoss(), {"predicted_losses": scores}, {"predicted_losses": column(scores)}),
        (
            EntropySampling(),
            {"probabilities": probabilities},
            {"probabilities": vectors(probabilities)},
        ),
    ):
        expected = strategy.query(Context(exclude=EXCLUDED, **given), 30)
        for chunk_rows in (7, None):
            context = Context(exclude=column(EXCLUDED), chunk_rows=chunk_rows, **wrapped)
            np.testing.assert_array_equal(strategy.query(context, 30), expected)


def test_floating_point_targets_are_a_regression_task(library, pool):
    column, _ = library
    context = Context(probabilities=np.full((N, 2), 0.5), labeled_targets=column([0.5] * N))
    with pytest.raises(ValueError, match="a regression task"):
        EntropySampling().query(context, 5)


def test_nullable_types_of_pandas(pool):
    pandas = pytest.importorskip("pandas")
    embeddings, scores = pool
    nullable = pandas.Series(scores, dtype="Float64")
    nullable[:40] = pandas.NA
    np.testing.assert_array_equal(
        ally_fast.select(embeddings, nullable, 30, 5, exclude=EXCLUDED),
        ally_fast.select(embeddings, scores, 30, 5, exclude=EXCLUDED),
    )
    targets = pandas.Series([0.5, 1.0], dtype="Float64")
    with pytest.raises(ValueError, match="a regression task"):
        BALD().query(Context(mc_probabilities=np.ones((2, 3, 2)), labeled_targets=targets), 1)
    large = pandas.Series([2**60 + 1] * N, dtype="Int64")
    large[:40] = pandas.NA
    with pytest.raises(ValueError, match=r"dual_scores: integers with nulls .* place 40"):
        ally_fast.select(embeddings, large, 30, 5, exclude=EXCLUDED)
    with pytest.raises(TypeError, match=r"exclude.*a null at place 1"):
        ally_fast.select(
            embeddings, scores, 30, 5, exclude=pandas.Series([True, None], dtype="boolean")
        )


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_columns_of_vectors(name, pool):
    library = pytest.importorskip(name)
    embeddings, scores = pool
    expected = ally_fast.select(embeddings.astype(np.float64), scores, 30, 5, exclude=[3, 4])
    column = library.Series(
        [None if i in (3, 4) else row for i, row in enumerate(embeddings.tolist())]
    )
    np.testing.assert_array_equal(ally_fast.select(column, scores, 30, 5, exclude=[3, 4]), expected)
    with pytest.raises(ValueError, match="embeddings: row 3 is null; 2 of 120 rows hold no"):
        ally_fast.select(column, scores, 30, 5)


def test_arrays_of_objects_say_what_to_do(pool):
    embeddings, scores = pool
    rows = np.empty(N, object)
    rows[:] = list(embeddings)
    with pytest.raises(TypeError, match=r"embeddings must hold.*np\.stack\(column\)"):
        ally_fast.select(rows, scores, 30, 5)


def test_pieces_that_are_no_arrays():
    for piece in ({1.0, 2.0}, iter([1.0]), 3.0):
        with pytest.raises(TypeError, match=r"predicted_losses: got .*needs an array"):
            LearningLoss().query(Context(predicted_losses=piece), 1)


def test_neither_library_is_imported():
    """They are known by what a caller brings."""
    code = (
        "import sys, numpy, ally_fast; ally_fast.select(numpy.ones((3, 2)), [1, 2, 3], 1, 1);"
        "assert not {'pyarrow', 'pandas', 'polars'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
