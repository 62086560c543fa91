"""The query function for modAL, in modAL's own learners."""

from functools import partial

import numpy as np
import pytest

import ally_fast

models = pytest.importorskip("modAL.models", reason="needs modAL-python")
from modAL.uncertainty import classifier_uncertainty  # noqa: E402
from scipy.sparse import csr_matrix  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

from ally_fast.integrations.modal import clustered_sampling  # noqa: E402

N, D = 80, 5


@pytest.fixture
def rows(rng):
    return rng.normal(size=(N, D))


def learner_of(rows, strategy):
    labels = np.arange(12) % 2
    model = LogisticRegression()
    return models.ActiveLearner(
        model, query_strategy=strategy, X_training=rows[:12], y_training=labels
    )


@pytest.mark.parametrize("n_instances", [1, 2, 9])
def test_a_learner_queries_the_most_unsure_rows_of_each_cluster(n_instances, rows):
    learner = learner_of(rows, partial(clustered_sampling, k=4, seed=1))
    indices, queried, metrics = learner.query(rows, n_instances=n_instances, return_metrics=True)
    unsure = classifier_uncertainty(learner, rows)
    assert indices.tolist() == ally_fast.select(rows, unsure, n_instances, 4, seed=1).tolist()
    np.testing.assert_array_equal(queried, rows[indices])
    np.testing.assert_array_equal(metrics, unsure[indices])


def test_scores_may_be_given_with_the_query(rows, rng):
    learner = learner_of(rows, clustered_sampling)
    scores = rng.random(N)
    for given in (scores, lambda pool: scores[: len(pool)]):
        indices, _ = learner.query(rows, n_instances=6, scores=given, k=3)
        assert indices.tolist() == ally_fast.select(rows, scores, 6, 3).tolist()


def test_without_k_each_pick_has_a_cluster_of_its_own(rows):
    indices, _ = learner_of(rows, clustered_sampling).query(rows, n_instances=7)
    unsure = classifier_uncertainty(learner_of(rows, clustered_sampling), rows)
    assert indices.tolist() == ally_fast.select(rows, unsure, 7, 7).tolist()


def test_a_committee_queries_with_scores(rows, rng):
    learners = [learner_of(rows, clustered_sampling) for _ in range(2)]
    committee = models.Committee(learners, query_strategy=clustered_sampling)
    scores = rng.random(N)
    indices, _ = committee.query(rows, n_instances=5, scores=scores)
    assert indices.tolist() == ally_fast.select(rows, scores, 5, 5).tolist()


def test_a_sparse_pool_needs_embeddings(rows):
    learner = learner_of(rows, clustered_sampling)
    with pytest.raises(TypeError, match="X_pool: got csr_matrix, needs a dense array"):
        learner.query(csr_matrix(rows), n_instances=3)
    indices, queried = learner.query(csr_matrix(rows), n_instances=3, embeddings=rows)
    assert indices.tolist() == learner.query(rows, n_instances=3)[0].tolist()
    np.testing.assert_array_equal(queried.toarray(), rows[indices])


def test_a_loop_labels_every_row_once(rows):
    # Not by `teach`: that of modAL 0.4.2 does not work with scikit-learn 1.8 and later.
    pool, labeled = np.arange(12, N), np.arange(12)
    while len(pool):
        model = LogisticRegression()
        learner = models.ActiveLearner(
            model, clustered_sampling, rows[labeled], (rows[labeled, 0] > 0).astype(int)
        )
        indices, queried = learner.query(rows[pool], n_instances=17, k=5)
        np.testing.assert_array_equal(queried, rows[pool[indices]])
        labeled, pool = np.append(labeled, pool[indices]), np.delete(pool, indices)
    assert sorted(labeled.tolist()) == list(range(N))


def test_more_than_there_are_is_refused(rows):
    with pytest.raises(ValueError, match="b: got 81"):
        learner_of(rows, clustered_sampling).query(rows, n_instances=81)
