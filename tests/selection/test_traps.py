"""Mistakes that other selectors make, each a test."""

import tracemalloc

import numpy as np
import pytest
import reference
from cases import assert_balanced, assert_is_reference, assert_same_batch, hard_pool, read_only

import ally_fast

FAR = 1000.0


@pytest.mark.parametrize("chunk_rows", [1, 7, 64, 100, 4096, None], ids="chunk_rows={}".format)
@pytest.mark.parametrize("n", [63, 64, 65, 129, 203], ids="n={}".format)
def test_last_rows_of_a_partial_chunk_are_candidates(chunk_rows, n, rng):
    embeddings, centroids = hard_pool("plain", rng, n, 3, 5)
    scores = np.zeros(n)
    scores[-1] = 5.0
    indices = assert_is_reference(embeddings, scores, 4, centroids, chunk_rows=chunk_rows)
    assert indices[0] == n - 1


def test_empty_clusters_give_their_share_to_others(rng):
    embeddings = rng.normal(size=(50, 2)).astype(np.float32)
    centroids = np.array([[FAR, 0], [-1, 0], [0, FAR], [1, 0], [-FAR, -FAR]], dtype=np.float32)
    for b in (1, 2, 3, 25, 50):
        indices = assert_is_reference(embeddings, rng.normal(size=50), b, centroids)
        assert len(set(indices.tolist())) == b


def test_singleton_clusters_are_exhausted_after_one_pick(rng):
    embeddings = rng.normal(size=(50, 2)).astype(np.float32)
    embeddings[10], embeddings[20] = [FAR, 0], [0, FAR]
    centroids = np.array([[0, 0], [FAR, 0], [0, FAR]], dtype=np.float32)
    indices = assert_is_reference(embeddings, rng.normal(size=50), 9, centroids)
    assert {10, 20} <= set(indices[:3].tolist())


def test_training_leaves_no_duplicate_in_the_batch(rng):
    embeddings = np.repeat(rng.normal(size=(5, 4)), 30, axis=0)
    indices = ally_fast.select(embeddings, np.zeros(150), 149, 40)
    assert len(set(indices.tolist())) == 149


def test_pool_indices_not_positions(rng):
    """Winners lie late, in other chunks, behind rows that are excluded."""
    n = 1000
    embeddings, centroids = hard_pool("plain", rng, n, 4, 3)
    scores = np.zeros(n)
    winners = np.array([997, 640, 333])
    scores[winners] = [9.0, 8.0, 7.0]
    exclude = np.setdiff1d(np.arange(0, 900, 2), winners)
    indices = assert_is_reference(
        embeddings, scores, 10, centroids, exclude=exclude, chunk_rows=100
    )
    by_cluster = reference.assign(embeddings[winners], centroids)
    best = winners[[np.flatnonzero(by_cluster == c)[0] for c in np.unique(by_cluster)]]
    assert set(best.tolist()) <= set(indices[:4].tolist())


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"], ids="dtype={}".format)
def test_nothing_the_caller_passes_in_is_changed(dtype, rng):
    embeddings, centroids = hard_pool("plain", rng, 200, 6, 5)
    passed = {
        "embeddings": embeddings.astype(dtype),
        "dual_scores": rng.normal(size=200),
        "exclude": rng.random(200) < 0.2,
        "labeled_embeddings": embeddings[:3].astype(dtype),
        "centroids": centroids,
        "allocation": np.linspace(1, 2, 6),
    }
    frozen = {name: read_only(array) for name, array in passed.items()}
    for metric in ("euclidean", "cosine"):
        ally_fast.select(**frozen, b=20, k=6, radius=0.1, max_score=1.5, metric=metric)
    for name, array in passed.items():
        np.testing.assert_array_equal(frozen[name], array)


def test_memory_does_not_grow_with_n_times_b(rng):
    n, b = 100_000, 20_000
    embeddings, centroids = hard_pool("plain", rng, n, 10, 4)
    scores = rng.normal(size=n)
    tracemalloc.start()
    try:
        ally_fast.select(embeddings, scores, b, 10, centroids=centroids, return_info=True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100 * n  # 2000 times below n * b bytes


def test_a_radius_needs_no_n_by_b_matrix(rng):
    n, b = 50_000, 3_000
    embeddings = rng.normal(size=(n, 8)).astype(np.float32)
    tracemalloc.start()
    try:
        ally_fast.select(embeddings, rng.normal(size=n), b, 5, centroids=embeddings[:5], radius=0.1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1000 * n


@pytest.mark.parametrize(
    ("train_size", "train_rows"),
    [("auto", 1024), (None, 3000), (500, 500), (3000, 3000)],
    ids=["auto", "all", "int", "n"],
)
def test_subsampling_is_reported(train_size, train_rows, rng):
    embeddings, _ = hard_pool("plain", rng, 3000, 4, 3)
    _, info = ally_fast.select(
        embeddings, np.zeros(3000), 10, 4, train_size=train_size, return_info=True
    )
    assert info.train_rows == train_rows
    assert info.cluster_sizes.sum() == 3000  # every row is a candidate, trained on or not


def test_training_on_all_rows_uses_all_rows(rng):
    embeddings = rng.normal(size=(3000, 3)).astype(np.float32)
    _, info = ally_fast.select(embeddings, np.zeros(3000), 1, 1, train_size=None, return_info=True)
    np.testing.assert_allclose(info.centroids, embeddings.mean(axis=0)[None], atol=1e-6)
    assert info.train_rows == 3000


@pytest.mark.parametrize("allocation", ["equal", "proportional", "sqrt"])
def test_constant_scores_fall_back_to_the_index(allocation, rng):
    embeddings, centroids = hard_pool("plain", rng, 300, 7, 4)
    assert_is_reference(embeddings, np.zeros(300), 100, centroids, allocation=allocation)


def test_duplicate_rows(rng):
    distinct = rng.normal(size=(20, 4)).astype(np.float32)
    embeddings = distinct[rng.integers(0, 20, size=400)]
    indices, info = ally_fast.select(embeddings, np.zeros(400), 60, 20, return_info=True)
    assert_same_batch(
        indices, info, reference.select(embeddings, np.zeros(400), 60, info.centroids)
    )


@pytest.mark.parametrize("k", [5, 30, 100], ids="k={}".format)
def test_fewer_distinct_rows_than_clusters(k, rng):
    embeddings = np.repeat(rng.normal(size=(4, 3)), 25, axis=0).astype(np.float32)
    scores = rng.normal(size=100)
    indices, info = ally_fast.select(embeddings, scores, 50, k, return_info=True)
    assert np.isfinite(info.centroids).all()
    assert_same_batch(indices, info, reference.select(embeddings, scores, 50, info.centroids))


def test_identical_rows(rng):
    indices, info = ally_fast.select(np.ones((64, 5)), rng.normal(size=64), 64, 8, return_info=True)
    assert sorted(indices.tolist()) == list(range(64))
    assert_balanced(info.cluster_counts, info.cluster_sizes)


N = 40
CORNERS = {
    "k=n": (10, N),
    "k=1": (10, 1),
    "b=n": (N, 6),
    "b<k": (3, 12),
    "b=0": (0, 6),
    "b=n,k=n": (N, N),
    "b=1,k=1": (1, 1),
    "b=k": (6, 6),
}


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("allocation", ["equal", "proportional", "sqrt"])
@pytest.mark.parametrize("corner", CORNERS)
def test_corners(metric, allocation, corner, rng):
    b, k = CORNERS[corner]
    embeddings, scores = rng.normal(size=(N, 3)).astype(np.float32), rng.integers(0, 4, size=N)
    arguments = {"metric": metric, "allocation": allocation}
    indices, info = ally_fast.select(embeddings, scores, b, k, return_info=True, **arguments)
    assert indices.shape == (b,)
    assert_same_batch(
        indices, info, reference.select(embeddings, scores, b, info.centroids, **arguments)
    )


def test_k_equal_n_gives_every_row_its_own_cluster(rng):
    embeddings = rng.normal(size=(N, 3)).astype(np.float32)
    _, info = ally_fast.select(embeddings, np.zeros(N), N, N, return_info=True)
    assert info.cluster_sizes.tolist() == [1] * N
    assert info.inertia == 0


def test_fewer_than_k_picks_are_the_best_heads(rng):
    embeddings, centroids = hard_pool("plain", rng, 300, 12, 4)
    scores = rng.normal(size=300)
    indices = ally_fast.select(embeddings, scores, 5, 12, centroids=centroids)
    clusters = reference.assign(embeddings, centroids)
    heads = sorted(-scores[clusters == c].max() for c in range(12) if (clusters == c).any())
    np.testing.assert_array_equal(-scores[indices], heads[:5])


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize(
    "pool",
    [
        "float16_norm_overflow",
        "offset_1e6",
        "offset_1e6_float64",
        "offset_large_spread_small",
        "values_1e18",
        "values_1e-30",
        "denormals",
        "below_float32",
        "near_duplicates",
        "one_large_column",
    ],
)
def test_values_far_from_one(metric, pool, rng):
    embeddings, _ = hard_pool(pool, rng, 500, 8, 21)
    scores = rng.normal(size=500)
    indices, info = ally_fast.select(
        embeddings, scores, 60, 8, metric=metric, chunk_rows=90, return_info=True
    )
    assert np.isfinite(info.centroids).all()
    expected = reference.select(embeddings, scores, 60, info.centroids, metric=metric)
    assert_same_batch(indices, info, expected)


@pytest.mark.parametrize("offset", [1e4, 1e6], ids="offset={}".format)
def test_a_large_common_offset_does_not_blur_the_clusters(offset, rng):
    centers = np.array([[0.0, 0.0], [40.0, 0.0], [0.0, 40.0], [40.0, 40.0]])
    truth = rng.integers(0, 4, size=400)
    embeddings = centers[truth] + rng.normal(size=(400, 2)) + offset
    _, info = ally_fast.select(embeddings.astype(np.float32), np.zeros(400), 4, 4, return_info=True)
    assert sorted(info.cluster_sizes) == sorted(np.bincount(truth))


def test_reversed_rows_are_read_in_the_callers_order(rng):
    embeddings, centroids = hard_pool("plain", rng, 300, 6, 4)
    scores = rng.normal(size=300)
    straight = ally_fast.select(embeddings, scores, 40, 6, centroids=centroids)
    backwards = ally_fast.select(
        embeddings[::-1], scores[::-1], 40, 6, centroids=centroids, chunk_rows=50
    )
    np.testing.assert_array_equal(299 - backwards, straight)


def test_seeds_reach_k_means(rng):
    embeddings, _ = hard_pool("plain", rng, 2000, 30, 6)
    runs = [
        ally_fast.select(embeddings, np.zeros(2000), 50, 30, seed=seed, return_info=True)[1]
        for seed in (0, 1, 0)
    ]
    np.testing.assert_array_equal(runs[0].centroids, runs[2].centroids)
    assert not np.array_equal(runs[0].centroids, runs[1].centroids)


def test_seeds_reach_the_training_sample(rng):
    embeddings = rng.normal(size=(5000, 3)).astype(np.float32)
    means = {
        ally_fast.select(
            embeddings, np.zeros(5000), 1, 1, train_size=100, seed=seed, return_info=True
        )[1].centroids.tobytes()
        for seed in range(4)
    }
    assert len(means) == 4


def test_the_global_random_state_is_neither_read_nor_written(rng):
    embeddings, _ = hard_pool("plain", rng, 500, 8, 4)
    answers = []
    for state in (1, 2):
        np.random.seed(state)  # noqa: NPY002 (the legacy state is what is tested)
        before = np.random.get_state()[1].tolist()  # noqa: NPY002
        answers.append(ally_fast.select(embeddings, np.zeros(500), 20, 8).tolist())
        assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    assert answers[0] == answers[1]


def test_excluded_rows_are_never_read(rng):
    embeddings, centroids = hard_pool("plain", rng, 400, 6, 4)
    scores = rng.normal(size=400)
    exclude = np.arange(0, 400, 3)
    expected = ally_fast.select(embeddings, scores, 50, 6, centroids=centroids, exclude=exclude)
    spoiled = embeddings.copy()
    spoiled[exclude] = np.nan
    for chunk_rows in (None, 7):
        got = ally_fast.select(
            spoiled, scores, 50, 6, centroids=centroids, exclude=exclude, chunk_rows=chunk_rows
        )
        np.testing.assert_array_equal(got, expected)
    ally_fast.select(spoiled, scores, 50, 6, exclude=exclude)  # nor in training


def test_rows_above_max_score_do_not_train(rng):
    embeddings = rng.normal(size=(300, 3)).astype(np.float32)
    scores = np.zeros(300)
    embeddings[:30] += FAR
    scores[:30] = 9.0
    _, info = ally_fast.select(embeddings, scores, 5, 2, max_score=1.0, return_info=True)
    assert np.abs(info.centroids).max() < 10


@pytest.mark.slow
def test_more_than_2_to_the_31_elements(tmp_path):
    """The answers lie in the last rows, past what 32-bit offsets reach."""
    n, d, k = 4_300_000, 512, 8
    path = tmp_path / "pool.npy"
    rng = np.random.default_rng(0)
    pattern = rng.normal(size=(k, d)).astype(np.float16) * np.float16(0.1)
    pattern[:, :k] += 4 * np.eye(k, dtype=np.float16)
    pool = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(n, d))
    for first in range(0, n, 100_000):
        rows = np.arange(first, min(first + 100_000, n))
        pool[rows[0] : rows[-1] + 1] = pattern[rows % k]
    pool.flush()
    del pool
    assert n * d > 2**31
    scores = np.zeros(n)
    planted = n - 1 - np.arange(3 * k)
    scores[planted] = np.arange(3 * k, 0, -1)

    embeddings = np.load(path, mmap_mode="r")
    indices, info = ally_fast.select(embeddings, scores, 3 * k, k, return_info=True)
    assert indices.tolist() == planted.tolist()
    expected_sizes = np.bincount(np.arange(n) % k)
    assert sorted(info.cluster_sizes) == sorted(expected_sizes)

    chosen = np.asarray(embeddings[planted])
    fixed = ally_fast.select(embeddings, scores, 3 * k, k, centroids=chosen[:k], chunk_rows=99_991)
    assert fixed.tolist() == planted.tolist()
