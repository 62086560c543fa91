"""Every mistake is named before any work: the argument, what came, what is needed."""

import re

import numpy as np
import pytest
from cases import OwnRows, read_only

import ally_fast

N, D, K, B = 30, 4, 5, 10


def arguments(**changes):
    """Return valid arguments of ``select``, some of them changed."""
    rng = np.random.default_rng(0)
    valid = {
        "embeddings": rng.normal(size=(N, D)).astype(np.float32),
        "dual_scores": rng.normal(size=N),
        "b": B,
        "k": K,
    }
    return {**valid, **changes}


def with_value(shape, place, value):
    array = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    for at in np.atleast_1d(place):
        array[at] = value
    return array


CENTROIDS = np.zeros((K, D), dtype=np.float32)
MOST = np.arange(N) < 25

# Changed arguments, and what the message must hold: the argument, what came, what is needed.
VALUE_ERRORS = {
    "embeddings rank 1": ({"embeddings": np.zeros(N)}, ["embeddings", "30", "2"]),
    "embeddings rank 3": ({"embeddings": np.zeros((N, 2, 2))}, ["embeddings", "30, 2, 2", "2"]),
    "embeddings without columns": ({"embeddings": np.zeros((N, 0))}, ["embeddings", "30, 0"]),
    "scores rank 2": ({"dual_scores": np.zeros((N, 1))}, ["dual_scores", "30, 1", "1"]),
    "scores too short": ({"dual_scores": np.zeros(29)}, ["dual_scores", "29", "30"]),
    "scores too long": ({"dual_scores": np.zeros(31)}, ["dual_scores", "31", "30"]),
    "k = 0": ({"k": 0}, ["k", "0", "1"]),
    "k < 0": ({"k": -3}, ["k", "-3", "1"]),
    "k > n": ({"k": 31}, ["k", "31", "30"]),
    "b < 0": ({"b": -1}, ["b", "-1", "0"]),
    "b > n": ({"b": 31}, ["b", "31", "30"]),
    "b > eligible by exclude": ({"exclude": MOST}, ["b", "10", "5"]),
    "b > eligible by max_score": (
        {"dual_scores": np.arange(30.0), "max_score": 3.0},
        ["b", "10", "4"],
    ),
    "b > eligible by radius": (
        {"embeddings": np.ones((N, D)), "radius": 1.0, "labeled_embeddings": np.ones((1, D))},
        ["b", "10", "0"],
    ),
    "b > rows that do not block each other": (
        {"embeddings": np.ones((N, D)), "radius": 1.0, "centroids": CENTROIDS},
        ["b", "10", "1", "radius"],
    ),
    "scores NaN": (
        {"dual_scores": with_value(N, [7, 9], np.nan)},
        ["dual_scores", "2", "7", "finite"],
    ),
    "scores inf": ({"dual_scores": with_value(N, 29, np.inf)}, ["dual_scores", "1", "29"]),
    "scores NaN beside excluded ones": (
        {"dual_scores": with_value(N, [3, 7, 9], np.nan), "exclude": [3]},
        ["dual_scores", "2", "29", "7"],
    ),
    "scores beyond float64": (
        {"dual_scores": np.arange(N) + 2**53},
        ["dual_scores", "15", "30", "1", "2**53"],
    ),
    "scores beyond float64, unsigned": (
        {"dual_scores": np.full(N, 2**64 - 1, np.uint64)},
        ["dual_scores", "30", "0", "2**53"],
    ),
    "weights beyond float64": ({"allocation": [1, 1, 2**53 + 1, 1, 1]}, ["9007199254740993", "2"]),
    "max_score beyond float64": ({"max_score": 2**53 + 1}, ["max_score", "9007199254740993"]),
    "max_score beyond any float": ({"max_score": 10**400}, ["max_score", "finite"]),
    "exclude is a mask of integers": (
        {"exclude": (np.arange(N) < 15).astype(np.uint8)},
        ["exclude", "30", "all 0 or 1", "booleans", ".astype(bool)"],
    ),
    "exclude is a mask of integers, too long": ({"exclude": [0, 1] * N}, ["exclude", "60"]),
    "exclude is a mask of 0 and 255": ({"exclude": [0, 255] * 15}, ["exclude", "all 0 or 255"]),
    "exclude is a mask of zeros": ({"exclude": np.zeros(N, int)}, ["exclude", "all 0"]),
    "exclude is a list of truths": ({"exclude": [True, False]}, ["exclude", "2", "30"]),
    "scores NaN, b = 0": ({"dual_scores": with_value(N, 3, np.nan), "b": 0}, ["dual_scores"]),
    "embeddings NaN": (
        {"embeddings": with_value((N, D), [11, 12, 29], np.nan)},
        ["embeddings", "3", "11", "finite"],
    ),
    "embeddings NaN, rows of one's own": (
        {"embeddings": OwnRows(with_value((N, D), [11, 12, 29], np.nan))},
        ["embeddings", "3", "11", "finite"],
    ),
    "embeddings inf": (
        {"embeddings": with_value((N, D), 29, -np.inf)},
        ["embeddings", "1", "29"],
    ),
    "embeddings NaN, float16": (
        {"embeddings": with_value((N, D), 8, np.nan).astype(np.float16)},
        ["embeddings", "1", "8"],
    ),
    "embeddings NaN, float64": (
        {"embeddings": with_value((N, D), 8, np.nan).astype(np.float64)},
        ["embeddings", "1", "8"],
    ),
    "embeddings NaN, centroids given": (
        {"embeddings": with_value((N, D), 8, np.nan), "centroids": CENTROIDS},
        ["embeddings", "1", "8"],
    ),
    "embeddings NaN, cosine": (
        {"embeddings": with_value((N, D), 8, np.nan), "metric": "cosine"},
        ["embeddings", "1", "8"],
    ),
    "metric": ({"metric": "manhattan"}, ["metric", "manhattan", "euclidean", "cosine"]),
    "allocation": ({"allocation": "fair"}, ["allocation", "fair", "equal", "proportional", "sqrt"]),
    "allocation length": ({"allocation": [1.0, 2.0]}, ["allocation", "2", "5"]),
    "allocation negative": ({"allocation": [1, 1, -1, 1, 1]}, ["allocation", "-1"]),
    "allocation NaN": ({"allocation": [1, 1, np.nan, 1, 1]}, ["allocation"]),
    "engine": ({"engine": "gpu"}, ["engine", "gpu", "native", "faiss", "sklearn"]),
    "device": ({"device": "tpu"}, ["device", "tpu", "cpu", "cuda"]),
    "exclude index too large": ({"exclude": [3, 30]}, ["exclude", "30"]),
    "exclude index negative": ({"exclude": [-1]}, ["exclude", "-1"]),
    "exclude mask length": ({"exclude": np.zeros(29, dtype=bool)}, ["exclude", "29", "30"]),
    "exclude rank": ({"exclude": np.zeros((N, 1), dtype=bool)}, ["exclude", "30, 1"]),
    "centroids rows": ({"centroids": np.zeros((4, D))}, ["centroids", "4, 4", "5, 4"]),
    "centroids columns": ({"centroids": np.zeros((K, 3))}, ["centroids", "5, 3", "5, 4"]),
    "centroids rank": ({"centroids": np.zeros(K)}, ["centroids", "5"]),
    "centroids NaN": ({"centroids": with_value((K, D), 2, np.nan)}, ["centroids", "finite"]),
    "labeled columns": (
        {"labeled_embeddings": np.zeros((2, 3)), "radius": 1.0},
        ["labeled_embeddings", "3", "4"],
    ),
    "labeled rank": ({"labeled_embeddings": np.zeros(4), "radius": 1.0}, ["labeled_embeddings"]),
    "labeled NaN": (
        {"labeled_embeddings": with_value((6, D), 5, np.nan), "radius": 1.0},
        ["labeled_embeddings", "finite"],
    ),
    "labeled without radius": ({"labeled_embeddings": np.zeros((2, D))}, ["radius"]),
    "radius = 0": ({"radius": 0.0}, ["radius", "0"]),
    "radius < 0": ({"radius": -2.5}, ["radius", "-2.5"]),
    "radius NaN": ({"radius": np.nan}, ["radius", "nan"]),
    "max_score NaN": ({"max_score": np.nan}, ["max_score", "nan"]),
    "train_size = 0": ({"train_size": 0}, ["train_size", "0"]),
    "train_size < k": ({"train_size": 4}, ["train_size", "4", "5"]),
    "train_size text": ({"train_size": "most"}, ["train_size", "most", "auto"]),
    "max_iter < 0": ({"max_iter": -1}, ["max_iter", "-1"]),
    "tol < 0": ({"tol": -0.1}, ["tol", "-0.1"]),
    "tol NaN": ({"tol": np.nan}, ["tol", "nan"]),
    "chunk_rows = 0": ({"chunk_rows": 0}, ["chunk_rows", "0", "1"]),
    "chunk_rows < 0": ({"chunk_rows": -5}, ["chunk_rows", "-5"]),
    "seed < 0": ({"seed": -1}, ["seed", "-1"]),
    "seed = 2**64": ({"seed": 2**64}, ["seed", "18446744073709551616", "2**64"]),
}

TYPE_ERRORS = {
    "embeddings text": ({"embeddings": np.full((N, D), "a")}, ["embeddings"]),
    "embeddings complex": ({"embeddings": np.zeros((N, D), dtype=complex)}, ["embeddings"]),
    "embeddings objects": ({"embeddings": np.full((N, D), None)}, ["embeddings"]),
    "embeddings bool": ({"embeddings": np.zeros((N, D), dtype=bool)}, ["embeddings", "bool"]),
    "embeddings None": ({"embeddings": None}, ["embeddings"]),
    "scores text": ({"dual_scores": np.full(N, "a")}, ["dual_scores"]),
    "scores in a set": ({"dual_scores": set(range(N))}, ["dual_scores", "set", "list"]),
    "scores one by one": ({"dual_scores": iter([1.0])}, ["dual_scores", "list_iterator", "list"]),
    "scores of more bits": (
        {"dual_scores": np.zeros(N, np.longdouble)},
        ["dual_scores", np.dtype(np.longdouble).name],
    ),
    "rows one by one": ({"embeddings": (row for row in np.zeros((N, D)))}, ["generator", "list"]),
    "scores with None": ({"dual_scores": [0.5] * (N - 1) + [None]}, ["dual_scores", "29"]),
    "exclude whole floats": ({"exclude": np.array([1.0, 2.0])}, ["exclude", "float64"]),
    "scores complex": ({"dual_scores": np.zeros(N, dtype=complex)}, ["dual_scores", "complex128"]),
    "exclude floats": ({"exclude": np.zeros(3)}, ["exclude", "float64"]),
    "exclude text": ({"exclude": "all"}, ["exclude"]),
    "centroids text": ({"centroids": np.full((K, D), "a")}, ["centroids"]),
    "labeled text": (
        {"labeled_embeddings": np.full((2, D), "a"), "radius": 1.0},
        ["labeled_embeddings"],
    ),
    "b float": ({"b": 2.5}, ["b", "2.5"]),
    "b text": ({"b": "10"}, ["b", "10"]),
    "k float": ({"k": 2.5}, ["k", "2.5"]),
    "k None": ({"k": None}, ["k", "None"]),
    "radius text": ({"radius": "near"}, ["radius", "near"]),
    "seed float": ({"seed": 0.5}, ["seed", "0.5"]),
    "seed None": ({"seed": None}, ["seed", "None", "int(rng.integers(2**63))"]),
    "seed bool": ({"seed": True}, ["seed", "True"]),
    "seed Generator": ({"seed": np.random.default_rng(0)}, ["seed", "int(rng.integers(2**63))"]),
    "seed RandomState": (
        {"seed": np.random.RandomState(0)},
        ["seed", "int(rng.integers(2**63))"],
    ),
    "seed SeedSequence": ({"seed": np.random.SeedSequence(0)}, ["seed", "SeedSequence"]),
    "k array": ({"k": np.zeros((50, 50))}, ["k", "integer"]),
}


def says(message, words):
    """Tell whether every word stands in the message by itself."""
    return all(re.search(rf"(?<![\w.]){re.escape(word)}(?![\w])", message) for word in words)


@pytest.mark.parametrize("case", VALUE_ERRORS)
def test_value_errors(case):
    changes, words = VALUE_ERRORS[case]
    with pytest.raises(ValueError, match=re.escape(words[0])) as error:
        ally_fast.select(**arguments(**changes))
    assert says(str(error.value), words), str(error.value)
    assert len(str(error.value)) <= 300
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("case", TYPE_ERRORS)
def test_type_errors(case):
    changes, words = TYPE_ERRORS[case]
    with pytest.raises(TypeError, match=re.escape(words[0])) as error:
        ally_fast.select(**arguments(**changes))
    assert says(str(error.value), words), str(error.value)
    assert len(str(error.value)) <= 300
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("case", [*VALUE_ERRORS, *TYPE_ERRORS])
def test_bad_input_is_left_alone(case):
    changes, _ = {**VALUE_ERRORS, **TYPE_ERRORS}[case]
    passed = arguments(**changes)
    frozen = {
        name: read_only(value) if isinstance(value, np.ndarray) else value
        for name, value in passed.items()
    }
    with pytest.raises((ValueError, TypeError)):
        ally_fast.select(**frozen)
    for name, value in passed.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(frozen[name], value)


@pytest.mark.parametrize("chunk_rows", [1, 7, None], ids="chunk_rows={}".format)
@pytest.mark.parametrize("centroids", [None, CENTROIDS], ids=["trained", "given"])
def test_the_first_bad_row_is_a_pool_index(chunk_rows, centroids):
    """Not a place in a chunk, nor one among the eligible rows."""
    embeddings = with_value((N, D), [22, 25], np.nan)
    with pytest.raises(ValueError, match=r"embeddings") as error:
        ally_fast.select(
            **arguments(
                embeddings=embeddings,
                exclude=np.arange(0, 20, 2),
                chunk_rows=chunk_rows,
                centroids=centroids,
            )
        )
    assert says(str(error.value), ["2", "22"]), str(error.value)


def test_a_bad_row_is_found_though_it_is_not_in_the_training_sample():
    embeddings = np.random.default_rng(0).normal(size=(5000, 3)).astype(np.float32)
    embeddings[4999, 2] = np.inf
    for seed in range(3):
        with pytest.raises(ValueError, match=r"embeddings.*\b4999\b"):
            ally_fast.select(embeddings, np.zeros(5000), 5, 2, train_size=10, seed=seed)


def test_b_zero_returns_an_empty_array():
    indices, info = ally_fast.select(**arguments(b=0), return_info=True)
    assert indices.shape == (0,)
    assert indices.dtype == np.int64
    assert info.clusters.shape == info.ranks.shape == info.distances.shape == (0,)
    assert info.cluster_counts.tolist() == [0] * K


def test_an_unknown_argument_is_refused():
    with pytest.raises(TypeError, match="budget"):
        ally_fast.select(**arguments(), budget=3)


def test_options_are_by_name_only():
    with pytest.raises(TypeError, match="positional"):
        ally_fast.select(*arguments().values(), "equal")


@pytest.mark.parametrize(
    "b", [np.int64(10), np.int32(10), np.uint8(10)], ids=lambda b: b.dtype.name
)
def test_numpy_integers_are_integers(b):
    assert len(ally_fast.select(**arguments(b=b))) == 10


def test_cuda_without_a_gpu_never_falls_back():
    if "cuda" in str(getattr(ally_fast, "devices", lambda: "")()):
        pytest.skip("this machine has a GPU")
    with pytest.raises((RuntimeError, ValueError), match="cuda"):
        ally_fast.select(**arguments(device="cuda"))


@pytest.mark.parametrize("engine", ["faiss", "sklearn"])
def test_a_missing_extra_is_an_import_error_with_the_pip_line(engine, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, engine, None)
    with pytest.raises(ImportError, match=rf"engine.*pip install .*ally-fast\[{engine}\]"):
        ally_fast.select(**arguments(engine=engine))


@pytest.mark.parametrize(
    ("variable", "value", "error"),
    [
        ("ALLY_FAST_ISA", "sse9", (RuntimeError, ValueError)),
        ("ALLY_FAST_THREADS", "0", ValueError),
        ("ALLY_FAST_THREADS", "-2", ValueError),
        ("ALLY_FAST_THREADS", "two", ValueError),
        ("ALLY_FAST_THREADS", "4097", ValueError),
        ("ALLY_FAST_THREADS", "9" * 20, ValueError),
    ],
    ids="{}".format,
)
def test_environment_variables_are_checked(variable, value, error, monkeypatch):
    monkeypatch.setenv(variable, value)
    with pytest.raises(error, match=rf"{variable}.*{value}"):
        ally_fast.select(**arguments())


def test_a_long_value_of_a_variable_is_cut(monkeypatch):
    monkeypatch.setenv("ALLY_FAST_THREADS", "9" * 5000)
    with pytest.raises(ValueError, match=r"ALLY_FAST_THREADS='9{40}': needs an integer from 1 to"):
        ally_fast.select(**arguments())


@pytest.mark.parametrize("name", ["b", "k", "max_iter", "train_size", "chunk_rows", "seed"])
@pytest.mark.parametrize("value", [2**64, 10**5000], ids=["2**64", "10**5000"])
def test_numbers_beyond_64_bits_are_told_by_their_argument(name, value):
    with pytest.raises(ValueError, match=rf"^{name}: got .*, needs less than 2\*\*6[34]$"):
        ally_fast.select(**arguments(**{name: value}))


@pytest.mark.parametrize("name", ["tol", "radius", "max_score"])
def test_numbers_beyond_float64_are_told_by_their_argument(name):
    with pytest.raises(
        ValueError, match=rf"^{name}: got a number of 16610 bits, needs a finite number$"
    ):
        ally_fast.select(**arguments(**{name: 10**5000}))
