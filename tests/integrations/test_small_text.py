"""The query strategy for small-text, in its own learner."""

import numpy as np
import pytest

import ally_fast

small_text = pytest.importorskip("small_text", reason="needs small-text")
from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.preprocessing import normalize  # noqa: E402

from ally_fast.integrations.small_text import ClusteredSampling  # noqa: E402

# What small-text says to itself.
pytestmark = pytest.mark.filterwarnings("ignore:The function .* has been deprecated")

TEXTS = [
    f"a {word} {i % 7} {'good' if i % 3 else 'bad'}" for i in range(30) for word in ("cat", "dog")
]
N = len(TEXTS)
LABELS = np.array([int("good" in text) for text in TEXTS])


@pytest.fixture
def dataset():
    rows = normalize(TfidfVectorizer().fit_transform(TEXTS))
    return small_text.SklearnDataset(rows, LABELS, target_labels=np.arange(2))


@pytest.fixture
def embeddings(rng):
    return rng.normal(size=(N, 6)).astype(np.float32)


def learner_of(dataset, strategy):
    factory = small_text.SklearnClassifierFactory(LogisticRegression(), 2)
    learner = small_text.PoolBasedActiveLearner(factory, strategy, dataset)
    start = np.arange(0, 12)
    learner.initialize_data(start, LABELS[start])
    return learner


def test_a_learner_queries_the_most_unsure_texts_of_each_cluster(dataset, embeddings):
    learner = learner_of(dataset, ClusteredSampling(k=4, seed=1))
    queried = learner.query(num_samples=9, query_strategy_kwargs={"embeddings": embeddings})
    unlabeled = np.arange(12, N)
    unsure = 1 - learner.classifier.predict_proba(dataset[unlabeled]).max(axis=1)
    expected = ally_fast.select(embeddings[unlabeled], unsure, 9, 4, seed=1)
    assert queried.tolist() == unlabeled[expected].tolist()


def test_scores_may_be_given(dataset, embeddings, rng):
    learner = learner_of(dataset, ClusteredSampling())
    scores = rng.random(N)
    options = {"embeddings": embeddings, "scores": scores}
    queried = learner.query(num_samples=5, query_strategy_kwargs=options)
    expected = ally_fast.select(embeddings[12:], scores[12:], 5, 5)
    assert queried.tolist() == (12 + expected).tolist()


def test_the_classifier_may_give_the_embeddings(dataset):
    class Embedding:
        def embed(self, texts):
            return texts.x.toarray()

        def predict_proba(self, texts):
            sure = np.linspace(0.5, 0.9, len(texts))
            return np.stack([sure, 1 - sure], axis=1)

    unlabeled = np.arange(10, 30)
    strategy = ClusteredSampling(k=3)
    queried = strategy.query(Embedding(), dataset, unlabeled, np.arange(10), LABELS[:10], n=4)
    rows = dataset.x[unlabeled].toarray()
    expected = ally_fast.select(rows, 1 - np.linspace(0.5, 0.9, 20), 4, 3)
    assert queried.tolist() == unlabeled[expected].tolist()


def test_the_loop_of_small_text(dataset, embeddings):
    learner = learner_of(dataset, ClusteredSampling(k=5))
    for _ in range(3):
        queried = learner.query(num_samples=16, query_strategy_kwargs={"embeddings": embeddings})
        learner.update(LABELS[queried])
    assert sorted(learner.indices_labeled.tolist()) == list(range(N))
    with pytest.raises(small_text.EmptyPoolException):
        learner.query(num_samples=1, query_strategy_kwargs={"embeddings": embeddings})


def test_it_refuses_what_its_library_refuses(dataset, embeddings):
    learner = learner_of(dataset, ClusteredSampling())
    with pytest.raises(small_text.PoolExhaustedException):
        learner.query(num_samples=N, query_strategy_kwargs={"embeddings": embeddings})


def test_missing_and_short_embeddings_are_told(dataset, embeddings):
    learner = learner_of(dataset, ClusteredSampling())
    with pytest.raises(
        ValueError, match="embeddings: got None, but SklearnClassifier has no embed method"
    ):
        learner.query(num_samples=3)
    short = {"embeddings": embeddings[1:]}
    with pytest.raises(
        ValueError, match=rf"embeddings: got shape \({N - 1}, 6\), needs one for each of {N} texts"
    ):
        learner.query(num_samples=3, query_strategy_kwargs=short)
    function = {"embeddings": embeddings, "scores": lambda texts: np.zeros(len(texts))}
    with pytest.raises(ValueError, match=r"scores: got shape \(\), needs one for each"):
        learner.query(num_samples=3, query_strategy_kwargs=function)


def test_it_is_shown_as_a_call():
    strategy = ClusteredSampling(k=3, metric="cosine")
    assert isinstance(strategy, small_text.QueryStrategy)
    assert str(strategy) == "ClusteredSampling(k=3, metric='cosine')"
