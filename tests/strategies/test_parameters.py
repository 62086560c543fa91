"""Strategies tell their arguments, are cloned by scikit-learn, and take new ones."""

import inspect

import numpy as np
import pytest
from strategy_contract import world

from ally_fast import strategies
from ally_fast.strategies import (
    ALLY,
    DAL,
    ALLYHerding,
    ClusterMargin,
    Context,
    CoreSet,
    UncertaintyHerding,
)

CENTROIDS = np.zeros((3, 5), np.float32)


class Head:
    """Does nothing."""

    def fit(self, embeddings, multipliers):
        return self

    def score(self, embeddings):
        return np.zeros(len(embeddings))


MADE = {
    "ALLY": ALLY(),
    "ALLY with arguments": ALLY(np.int64(3), allocation=np.ones(3), radius=2, head=Head()),
    "ALLY with options": ALLY(max_score_quantile=1, metric="cosine", centroids=CENTROIDS),
    "DAL with arguments": DAL(mini_queries=np.int8(3), ratio=np.int16(4), lr=1, epochs=2),
    "ClusterMargin with options": ClusterMargin(0.5, metric="cosine", centroids=CENTROIDS),
    "UncertaintyHerding with options": UncertaintyHerding(2.0, width=3.0, metric="cosine"),
    "ALLYHerding with options": ALLYHerding(Head(), targets=np.int64(7)),
    "CoreSet with arguments": CoreSet(metric="cosine"),
    **{
        name: getattr(strategies, name)()
        for name in strategies.__all__
        if name not in ("ALLY", "Context", "Strategy", "WeakHeadWarning", "dropout_passes")
    },
}


@pytest.mark.parametrize("case", MADE)
def test_constructors_keep_what_they_are_given(case):
    """The very object, so that copies are of what the caller wrote."""
    strategy = MADE[case]
    arguments = strategy.get_params(deep=False)
    again = type(strategy)(**arguments)
    assert list(again.get_params()) == list(arguments)
    for name, value in again.get_params().items():
        assert value is arguments[name], name
    named = inspect.signature(type(strategy)).parameters
    assert set(named) - {"options"} <= set(arguments)


@pytest.mark.parametrize("case", MADE)
def test_clone(case):
    base = pytest.importorskip("sklearn.base")
    strategy = MADE[case]
    twin = base.clone(strategy)
    assert type(twin) is type(strategy)
    assert twin is not strategy
    assert repr(twin.get_params().keys()) == repr(strategy.get_params().keys())
    for name, value in strategy.get_params().items():
        if not isinstance(value, Head):
            np.testing.assert_array_equal(twin.get_params()[name], value)


def test_a_clone_selects_the_same():
    base = pytest.importorskip("sklearn.base")
    pieces = world(60)
    context = Context(embeddings=pieces["embeddings"], dual_scores=pieces["dual_scores"], seed=3)
    strategy = ALLY(4, allocation="sqrt", metric="cosine", max_iter=3)
    batch = strategy.query(context, 20)
    np.testing.assert_array_equal(base.clone(strategy).query(context, 20), batch)
    other = ALLY().set_params(k=4, allocation="sqrt", metric="cosine", max_iter=3)
    np.testing.assert_array_equal(other.query(context, 20), batch)


def test_set_params_checks_as_the_constructor_does():
    strategy = ALLY(4, metric="cosine")
    assert strategy.set_params(k=5, max_score_quantile=0.5) is strategy
    assert strategy.get_params()["k"] == 5
    assert strategy.get_params()["metric"] == "cosine"
    with pytest.raises(ValueError, match="max_score_quantile: got 2"):
        strategy.set_params(k=6, max_score_quantile=2)
    assert strategy.k == 5
    with pytest.raises(TypeError, match="widths"):
        DAL().set_params(widths=3)


def test_a_strategy_shows_its_arguments():
    assert repr(CoreSet(metric="cosine")) == "CoreSet(metric='cosine')"
    assert repr(strategies.RandomSampling()) == "RandomSampling()"
    assert repr(ALLY(3, tol=0.1)).startswith("ALLY(k=3, allocation='equal', ")
    assert repr(ALLY(3, tol=0.1)).endswith("tol=0.1)")


@pytest.mark.parametrize("head", [3, "DualHead", ALLY], ids=str)
def test_a_head_that_is_none(head):
    with pytest.raises(TypeError, match=r"head: got .*, needs an object with fit and score"):
        ALLY(head=head)


def test_small_integers_do_not_overflow():
    pytest.importorskip("torch")
    pieces = world(300)
    context = Context(
        embeddings=pieces["embeddings"], labeled_embeddings=pieces["labeled_embeddings"]
    )
    plain = {"mini_queries": 3, "ratio": 30, "width": 8, "epochs": 2}
    small = {name: np.int8(value) for name, value in plain.items()}
    np.testing.assert_array_equal(
        DAL(**small).query(context, 200), DAL(**plain).query(context, 200)
    )
