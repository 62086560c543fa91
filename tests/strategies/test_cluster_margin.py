"""Margins in clusters: the contract, the batch of `select`, and a warning of weak models."""

import warnings

import numpy as np
import pytest
import reference
from documented import run
from strategy_contract import StrategyContract, softmax, world

import ally_fast
from ally_fast.strategies import ClusterMargin, Context, WeakHeadWarning


def margins(probabilities):
    """Return minus the margin of each row, row by row."""
    scores = []
    for row in np.asarray(probabilities, np.float64):
        first, second = sorted(row.tolist(), reverse=True)[:2]
        scores.append(second - first)
    return np.array(scores)


class TestClusterMargin(StrategyContract):
    pieces = ("embeddings", "probabilities")
    follows_seed = True  # of k-means

    def make(self):
        return ClusterMargin(6)

    @pytest.mark.parametrize(("k", "clusters"), [(None, 12), (5, 5), (0.5, 6), (0.01, 1), (40, 12)])
    def test_is_the_reference(self, k, clusters):
        given = self.given()
        centroids = ally_fast.kmeans(given["embeddings"], clusters, seed=2).centroids
        expected = reference.select(
            given["embeddings"], margins(given["probabilities"]), 12, centroids
        )
        found = ClusterMargin(k).query(Context(**given, seed=2), 12)
        np.testing.assert_array_equal(found, expected.indices)

    def test_is_select_among_eligible_rows(self):
        given = self.given()
        expected = ally_fast.select(
            *(given["embeddings"], margins(given["probabilities"]), 20, 10),
            **{"seed": 5, "exclude": [1, 2], "metric": "cosine", "allocation": "sqrt"},
        )
        strategy = ClusterMargin(0.5, metric="cosine", allocation="sqrt")
        found = strategy.query(Context(**given, seed=5, exclude=[1, 2]), 20)
        np.testing.assert_array_equal(found, expected)

    @pytest.mark.parametrize("isa", ["portable", "avx2", "avx512"])
    @pytest.mark.parametrize("threads", ["1", "3"])
    def test_threads_and_instruction_sets_change_nothing(self, isa, threads, monkeypatch):
        from ally_fast import _cpu

        if isa not in _cpu.isas():
            pytest.skip(f"this machine has no {isa}")
        given = self.given()
        expected = self.ask(given, 20)
        monkeypatch.setenv("ALLY_FAST_ISA", isa)
        monkeypatch.setenv("ALLY_FAST_THREADS", threads)
        np.testing.assert_array_equal(self.ask(given, 20), expected)

    @pytest.mark.parametrize("k", [0, -1, 0.0, 1.5, "3", True], ids=repr)
    def test_a_number_of_clusters(self, k):
        with pytest.raises((ValueError, TypeError), match=r"^k: got "):
            ClusterMargin(k)

    def test_regression_is_refused(self):
        with pytest.raises(ValueError, match=r"ClusterMargin: .*a regression task"):
            self.ask(self.given(), 5, labeled_targets=np.zeros(8, np.float32))


def labeled(count=120, classes=3, skill=0.0, seed=0):
    """Return targets, and probabilities that prefer the right class by `skill`."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(classes, size=count)
    logits = rng.normal(size=(count, classes)) + skill * np.eye(classes)[targets]
    return {"labeled_targets": targets, "labeled_probabilities": softmax(logits)}


def ask(**more):
    everything = world(60)
    given = {piece: everything[piece] for piece in TestClusterMargin.pieces}
    return ClusterMargin().query(Context(**given, **more), 10)


def test_a_model_near_chance_is_warned_of_once():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        picks = ask(**labeled(skill=0.0))
    (warning,) = caught
    assert warning.category is WeakHeadWarning
    assert warning.filename == __file__
    text = str(warning.message)
    assert text.startswith("ClusterMargin: the model has a balanced accuracy of ")
    assert "on 120 held-out rows of 3 classes (chance is 33.3 %)" in text
    assert len(text) <= 300
    np.testing.assert_array_equal(picks, ask())


def test_the_page_on_models_that_know_too_little():
    pytest.importorskip("sklearn")
    everything = world(60)
    told = {
        **{"Context": Context, "ClusterMargin": ClusterMargin},
        **{"embeddings": everything["embeddings"], "labeled": np.arange(40)},
        **{"x": everything["embeddings"][:40], "y": np.arange(40) % 2},
    }
    with pytest.warns(WeakHeadWarning):
        names = run("docs/strategies.md", "A model that knows too little", **told)
    assert len(set(names["batch"].tolist()) - set(range(40))) == 20


def test_a_model_that_knows_something_is_not():
    np.testing.assert_array_equal(ask(**labeled(skill=2.0)), ask())


def test_the_commonest_class_alone_is_chance():
    """98 % accuracy, by naming one class for all."""
    targets = np.arange(300) % 50 == 0
    probabilities = np.tile([0.9, 0.1], (300, 1))
    with pytest.warns(WeakHeadWarning, match="balanced accuracy of 50.0 % on 300"):
        ask(labeled_targets=targets.astype(int), labeled_probabilities=probabilities)


def test_one_class_alone_tells_nothing():
    ask(labeled_targets=np.zeros(9, int), labeled_probabilities=np.tile([0.9, 0.1], (9, 1)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labeled_targets": None}, "the context lacks labeled_targets"),
        ({"labeled_targets": np.zeros(7, int)}, r"labeled_probabilities: got shape \(120, 3\)"),
        ({"labeled_targets": np.full(120, 3)}, r"labeled_targets: got 3 to 3, needs \[0, 3\)"),
        ({"labeled_targets": np.zeros((120, 3), int)}, "labeled_targets: got int64 of shape"),
        ({"labeled_probabilities": np.zeros((120, 3))}, "labeled_probabilities: 120 of rows 0 to"),
    ],
)
def test_labeled_rows_that_cannot_be_used(change, message):
    with pytest.raises(ValueError, match=f"^ClusterMargin: {message}"):
        ask(**{**labeled(), **change})
