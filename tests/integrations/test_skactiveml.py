"""The strategy for scikit-activeml follows that package's conventions, written down here."""

import inspect

import numpy as np
import pytest

import ally_fast

base = pytest.importorskip("skactiveml.base", reason="needs scikit-activeml")
from skactiveml.classifier import SklearnClassifier  # noqa: E402
from skactiveml.pool import SubSamplingWrapper  # noqa: E402
from skactiveml.utils import MISSING_LABEL  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

from ally_fast.integrations.skactiveml import ALLYSampling  # noqa: E402

N, D = 60, 4


@pytest.fixture
def data(rng):
    """Return rows, labels of a third of them, and scores."""
    labels = np.full(N, MISSING_LABEL)
    labels[::3] = np.arange(20) % 2
    return rng.normal(size=(N, D)), labels, rng.random(N)


@pytest.fixture
def unlabeled():
    return np.setdiff1d(np.arange(N), np.arange(0, N, 3))


def test_it_is_a_strategy_for_one_annotator():
    assert issubclass(ALLYSampling, base.SingleAnnotatorPoolQueryStrategy)
    parameters = list(inspect.signature(ALLYSampling.query).parameters.values())
    assert [p.name for p in parameters] == [
        *("self", "X", "y", "scores", "candidates", "batch_size", "return_utilities"),
    ]
    assert [p.default for p in parameters[4:]] == [None, 1, False]


def test_parameters_are_kept_as_they_are_and_cloned():
    state = np.random.RandomState(3)
    given = {
        "k": 7,
        "allocation": "sqrt",
        "metric": "cosine",
        "missing_label": -1,
        "random_state": state,
    }
    strategy = ALLYSampling(**given)
    assert strategy.get_params() == given
    assert strategy.random_state is state
    copy = clone(ALLYSampling(k=7, missing_label=-1, random_state=5))
    assert copy.get_params() == ALLYSampling(7, missing_label=-1, random_state=5).get_params()
    assert copy.set_params(k=3).k == 3
    assert set(inspect.signature(ALLYSampling).parameters) == set(given)


@pytest.mark.parametrize("batch_size", [1, 7, 40])
@pytest.mark.parametrize("k", [None, 5])
def test_a_batch_is_of_unlabeled_samples_without_repeats(batch_size, k, data, unlabeled):
    X, y, scores = data
    picks = ALLYSampling(k=k, random_state=0).query(X, y, scores, batch_size=batch_size)
    assert picks.shape == (batch_size,)
    assert picks.dtype.kind == "i"
    assert len(set(picks.tolist())) == batch_size
    assert set(picks.tolist()) <= set(unlabeled.tolist())
    if k is None and batch_size == 1:
        assert picks[0] == unlabeled[scores[unlabeled].argmax()]


def test_given_clusters_of_one_row_each_the_best_scores_are_picked(data, unlabeled):
    X, y, scores = data
    picks = ALLYSampling(k=N, random_state=0).query(X, y, scores, batch_size=12)
    assert picks.tolist() == unlabeled[np.argsort(-scores[unlabeled])][:12].tolist()


@pytest.mark.parametrize("candidates", ["none", "indices", "rows"])
@pytest.mark.parametrize("batch_size", [1, 6])
def test_utilities_are_largest_at_the_picks(candidates, batch_size, data, unlabeled, rng):
    X, y, scores = data
    given, width = {
        "none": (None, N),
        "indices": (np.arange(10, 40), N),  # labeled ones among them, as that package has it
        "rows": (rng.normal(size=(25, D)), 25),
    }[candidates]
    allowed = {"none": unlabeled, "indices": given, "rows": np.arange(25)}[candidates]
    options = {"candidates": given, "batch_size": batch_size}
    strategy = ALLYSampling(k=3, random_state=1)
    picks, utilities = strategy.query(X, y, scores[:width], return_utilities=True, **options)
    assert utilities.shape == (batch_size, width)
    for number, row in enumerate(utilities):
        assert np.nanargmax(row) == picks[number]
        assert (row == np.nanmax(row)).sum() == 1
        missing = np.isnan(row)
        expected = np.ones(width, bool)
        expected[np.setdiff1d(allowed, picks[:number])] = False
        assert missing.tolist() == expected.tolist()
    alone = strategy.query(X, y, scores[:width], **options)
    assert alone.tolist() == picks.tolist()


def test_a_state_gives_the_same_picks_each_time(data):
    X, y, scores = data
    before = [array.copy() for array in data]
    strategies = [ALLYSampling(k=9, random_state=4) for _ in range(2)]
    picks = [s.query(X, y, scores, batch_size=9).tolist() for s in (*strategies, strategies[0])]
    assert picks[0] == picks[1] == picks[2]
    state = np.random.RandomState(4)
    strategy = ALLYSampling(k=9, random_state=state)
    twice = [strategy.query(X, y, scores, batch_size=9).tolist() for _ in range(2)]
    assert twice[0] == twice[1]
    np.testing.assert_array_equal(state.random_sample(3), np.random.RandomState(4).random_sample(3))
    for array, old in zip(data, before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_states_differ(data):
    X, y, scores = data
    picks = {
        tuple(ALLYSampling(k=9, random_state=seed).query(X, y, scores, batch_size=9).tolist())
        for seed in range(8)
    }
    assert len(picks) > 1


@pytest.mark.parametrize(
    ("missing", "labels"),
    [(np.nan, [0.0, 1.0]), (-1, [0, 1]), ("none", ["cat", "dog"]), (None, ["cat", "dog"])],
    ids=str,
)
def test_any_missing_label(missing, labels, data, unlabeled):
    X, y, scores = data
    kind = object if missing is None else None
    mixed = np.array([missing if np.isnan(v) else labels[int(v)] for v in y], dtype=kind)
    strategy = ALLYSampling(k=5, missing_label=missing, random_state=0)
    picks = strategy.query(X, mixed, scores, batch_size=10)
    expected = ALLYSampling(k=5, random_state=0).query(X, y, scores, batch_size=10)
    assert picks.tolist() == expected.tolist()


def test_a_missing_label_of_another_type_is_refused(data):
    X, y, scores = data
    with pytest.raises(TypeError):
        ALLYSampling(missing_label="none").query(X, y, scores)


def test_scores_of_a_model(data, unlabeled):
    X, y, _ = data
    model = SklearnClassifier(LogisticRegression(), classes=[0, 1]).fit(X, y)

    def unsure(rows):
        return 1 - model.predict_proba(rows).max(axis=1)

    strategy = ALLYSampling(k=5, random_state=0)
    picks = strategy.query(X, y, unsure, batch_size=10)
    assert picks.tolist() == strategy.query(X, y, unsure(X), batch_size=10).tolist()
    rows = X[unlabeled]
    among = strategy.query(X, y, unsure, candidates=rows, batch_size=10)
    assert unlabeled[among].tolist() == picks.tolist()


def test_a_function_may_return_a_list(data):
    X, y, _ = data
    expected = ALLYSampling(random_state=0).query(X, y, lambda rows: rows[:, 0], batch_size=5)
    found = ALLYSampling(random_state=0).query(X, y, lambda rows: rows[:, 0].tolist(), batch_size=5)
    assert found.tolist() == expected.tolist()


def test_it_works_in_a_wrapper(data, unlabeled):
    X, y, scores = data
    wrapper = SubSamplingWrapper(ALLYSampling(k=3, random_state=0), 20, random_state=0)
    picks = wrapper.query(X, y, scores=scores, batch_size=5)
    assert set(picks.tolist()) <= set(unlabeled.tolist())
    assert len(set(picks.tolist())) == 5


def test_a_batch_larger_than_the_candidates_is_cut_with_a_warning(data, unlabeled):
    X, y, scores = data
    with pytest.warns(UserWarning, match="batch_size=41"):
        picks = ALLYSampling(random_state=0).query(X, y, scores, batch_size=41)
    assert sorted(picks.tolist()) == unlabeled.tolist()


def test_the_loop_of_that_package(data):
    X, y, scores = data
    for _ in range(4):
        picks = ALLYSampling(k=3, random_state=0).query(X, y, scores, batch_size=10)
        assert np.isnan(y[picks]).all()
        y[picks] = picks % 2
    assert not np.isnan(y).any()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"batch_size": 1.5}, TypeError, "batch_size"),
        ({"return_utilities": "yes"}, TypeError, "return_utilities"),
        ({"candidates": [N]}, ValueError, "indices"),
        ({"candidates": np.zeros((3, D + 1))}, ValueError, "features"),
        ({"X": np.zeros((N, D, 2))}, ValueError, "dim 3"),
        ({"X": np.zeros((N - 1, D))}, ValueError, "inconsistent"),
        ({"y": np.zeros(N - 1)}, ValueError, "inconsistent"),
        ({"scores": np.zeros(N - 1)}, ValueError, "scores: got shape"),
        ({"scores": lambda rows: np.zeros(3)}, ValueError, "scores: got shape"),
        (
            {"scores": lambda rows: np.zeros(3), "candidates": [0, 1]},
            ValueError,
            r"scores: got shape \(3,\), needs one for each of 2",
        ),
        ({"scores": np.full(N, np.nan)}, ValueError, "dual_scores"),
    ],
)
def test_what_cannot_be_used_is_refused(change, error, message, data):
    X, y, scores = data
    with pytest.raises(error, match=message):
        ALLYSampling(random_state=0).query(**{"X": X, "y": y, "scores": scores, **change})


@pytest.mark.parametrize("change", [{"k": 0}, {"allocation": "none"}, {"metric": "manhattan"}])
def test_parameters_are_checked_by_the_query(change, data):
    X, y, scores = data
    strategy = ALLYSampling(**change)
    with pytest.raises(ValueError, match=next(iter(change))):
        strategy.query(X, y, scores)


def test_all_labeled_leaves_nothing_to_query(data):
    X, _, scores = data
    with (
        pytest.warns(UserWarning, match="batch_size=0"),
        pytest.raises(ValueError, match="y: every sample has a label"),
    ):
        ALLYSampling().query(X, np.zeros(N), scores)


def test_select_itself_gives_the_same(data, unlabeled):
    X, y, scores = data
    strategy = ALLYSampling(k=5, random_state=0)
    picks = strategy.query(X, y, scores, batch_size=10)
    multiplier = len(unlabeled) + 1  # what that package mixes into a seed
    seed = int(_state(strategy, multiplier).randint(2**31 - 1))
    expected = ally_fast.select(X[unlabeled], scores[unlabeled], 10, 5, seed=seed)
    assert picks.tolist() == unlabeled[expected].tolist()


def _state(strategy, multiplier):
    from skactiveml.utils import check_random_state

    return check_random_state(strategy.random_state, multiplier)
