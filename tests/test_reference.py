"""The oracle itself, against exact fractions and an independent statement of the rule."""

from fractions import Fraction

import numpy as np
import pytest
import reference
from cases import assert_balanced, pools
from hypothesis import given
from hypothesis import strategies as st


def test_squared_distance_is_close_to_exact(rng):
    row, centroid = rng.normal(size=(2, 37)).astype(np.float32)
    exact = sum(
        (Fraction(float(x)) - Fraction(float(c))) ** 2 for x, c in zip(row, centroid, strict=True)
    )
    got = reference.squared_distance(row[None], centroid[None])[0, 0]
    assert abs(Fraction(float(got)) - exact) < exact * Fraction(1, 10**14)


def test_squared_distance_adds_in_eight_partials():
    row = np.zeros(17)
    row[[0, 8, 16]] = [1.0, 2.0**27, 2.0**27]  # 1 + 2**54 rounds the 1 away, at once or later
    row[4] = 3.0
    partial = np.float64(1.0) + np.float64(2.0**54) + np.float64(2.0**54)
    assert reference.sum_of_squares(row) == partial + 9.0


def test_means_are_close_to_exact(rng):
    rows = (rng.normal(size=(50, 3)) * [1e-30, 1.0, 1e30]).astype(np.float32)
    grid = reference.feature_grid(rows)
    batch = reference.cluster_sums(rows, np.zeros(50, int), 1, grid, 50)[:2]
    averages = np.zeros(1), np.zeros((1, 3))
    *_, means = reference.centroid_update(batch, grid, averages, rows[:1], 0.0, 1.0)
    for column, mean in zip(rows.T.tolist(), means[0].tolist(), strict=True):
        exact = sum(map(Fraction, column)) / 50
        width = Fraction(max(column)) - Fraction(min(column))
        assert abs(Fraction(mean) - exact) <= abs(exact) / 2**24 + width / 2**49


def test_d2_sample_follows_its_own_law(rng):
    rows = rng.normal(size=(5, 2))
    truth = reference.d2_probabilities(rows, 3)
    counts = dict.fromkeys(truth, 0)
    for seed in range(2000):
        counts[tuple(reference.d2_sample(rows, 3, seed).tolist())] += 1
    for picks, probability in truth.items():
        spread = np.sqrt(2000 * probability * (1 - probability))
        assert abs(counts[picks] - 2000 * probability) < 5 * spread + 1


def test_d2_probabilities_sum_to_one(rng):
    total = sum(reference.d2_probabilities(rng.normal(size=(5, 2)), 3).values())
    assert total == pytest.approx(1.0)


def sorted_batch(scores, assignments, weights, b):
    """Return the first ``b`` rows in the order (quotient, score descending, index)."""
    ranks = reference.ranks_in_cluster(assignments, scores)
    quotients = (ranks + 0.5) / weights[assignments]
    return np.lexsort((np.arange(len(scores)), -np.asarray(scores, float), quotients))[:b]


@given(pool=pools(), allocation=st.sampled_from(["equal", "proportional", "sqrt"]))
def test_greedy_is_the_sort(pool, allocation):
    embeddings, scores, centroids = pool
    n = len(scores)
    batch = reference.select(embeddings, scores, n, centroids, allocation=allocation)
    assignments = reference.assign(embeddings, centroids)
    sizes = np.bincount(assignments, minlength=len(centroids)).astype(float)
    weights = {"equal": np.ones_like(sizes), "proportional": sizes, "sqrt": np.sqrt(sizes)}
    expected = sorted_batch(scores, assignments, weights[allocation], n)
    np.testing.assert_array_equal(batch.indices, expected)
    np.testing.assert_array_equal(
        batch.ranks, reference.ranks_in_cluster(assignments, scores)[expected]
    )


def test_algorithm_2_where_quotas_are_whole(rng):
    """ALLY, Algorithm 2, lines 8-15: the best b / k rows of every cluster."""
    centroids = np.array([[0.0], [10.0], [20.0]])
    rows = np.repeat(centroids, 20, axis=0) + rng.normal(size=(60, 1))
    scores = rng.normal(size=60)
    batch = reference.select(rows, scores, 12, centroids)
    expected = [
        20 * c + place for c in range(3) for place in np.argsort(-scores[20 * c : 20 * c + 20])[:4]
    ]
    assert sorted(batch.indices.tolist()) == sorted(expected)


@given(pool=pools(), radius=st.sampled_from([0.01, 1.0, 3.0, 20.0]))
def test_picks_block_each_other(pool, radius):
    embeddings, scores, centroids = pool
    b = 0
    while True:  # the largest batch that can be had
        try:
            batch = reference.select(embeddings, scores, b + 1, centroids, radius=radius)
        except ValueError:
            break
        b += 1
        if b == len(scores):
            break
    batch = reference.select(embeddings, scores, b, centroids, radius=radius)
    picked = np.asarray(embeddings)[batch.indices]
    for place in range(1, b):
        assert not reference.radius_filter(picked[place : place + 1], picked[:place], radius)[0]
    rest = np.setdiff1d(np.arange(len(scores)), batch.indices)
    assert reference.radius_filter(embeddings[rest], picked, radius).all()  # none was left out


def test_balance_under_equal_allocation(rng):
    rows, centroids = rng.normal(size=(100, 2)), rng.normal(size=(9, 2))
    batch = reference.select(rows, rng.normal(size=100), 40, centroids)
    assert_balanced(np.bincount(batch.clusters, minlength=9), batch.cluster_sizes)
