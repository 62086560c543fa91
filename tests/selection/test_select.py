"""The batch is the oracle's, and has the properties the contract promises."""

import numpy as np
import pytest
import reference
from cases import (
    DTYPES,
    LAYOUTS,
    assert_balanced,
    assert_is_reference,
    assert_same_batch,
    hard_pool,
    lay_out,
    pools,
)
from hypothesis import given
from hypothesis import strategies as st

import ally_fast

ALLOCATIONS = ["equal", "proportional", "sqrt"]
METRICS = ["euclidean", "cosine"]


def in_clusters(rng, n=400, k=12, d=9):
    """Return a pool of uneven clusters with distinct scores, and centroids for it."""
    embeddings, centroids = hard_pool("plain", rng, n, k, d)
    return embeddings * np.float32(0.2), rng.exponential(size=n), centroids * np.float32(0.2)


# Against the oracle


@given(pool=pools(), data=st.data())
def test_is_the_reference(pool, data):
    embeddings, scores, centroids = pool
    b = data.draw(st.integers(0, len(scores)), label="b")
    allocation = data.draw(st.sampled_from(ALLOCATIONS), label="allocation")
    metric = data.draw(st.sampled_from(METRICS), label="metric")
    chunk_rows = data.draw(st.sampled_from([None, 1, 7, 4096]), label="chunk_rows")
    assert_is_reference(
        embeddings,
        scores,
        b,
        centroids,
        allocation=allocation,
        metric=metric,
        chunk_rows=chunk_rows,
    )


@given(pool=pools(), data=st.data())
def test_is_the_reference_with_exclusions(pool, data):
    embeddings, scores, centroids = pool
    n = len(scores)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    excluded = rng.random(n) < 0.4
    max_score = data.draw(st.sampled_from([None, 0.5, 100.0]), label="max_score")
    eligible = ~excluded if max_score is None else ~excluded & (scores <= max_score)
    k = min(len(centroids), n)
    b = data.draw(st.integers(0, int(eligible.sum())), label="b")
    exclude = data.draw(st.sampled_from([excluded, np.flatnonzero(excluded)]), label="exclude")
    if eligible.sum() >= k:
        assert_is_reference(embeddings, scores, b, centroids, exclude=exclude, max_score=max_score)


@given(pool=pools(), data=st.data())
def test_is_the_reference_with_a_radius(pool, data):
    embeddings, scores, centroids = pool
    radius = data.draw(st.sampled_from([0.01, 0.5, 1.0, 2.0, 5.0]), label="radius")
    metric = data.draw(st.sampled_from(METRICS), label="metric")
    arguments = {"radius": radius, "metric": metric}
    if data.draw(st.booleans(), label="labeled"):
        rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
        arguments["labeled_embeddings"] = embeddings[rng.integers(0, len(scores), size=3)]
    b = data.draw(st.integers(0, len(scores)), label="b")
    try:
        reference.select(embeddings, scores, b, centroids, **arguments)
    except ValueError:
        with pytest.raises(ValueError, match=r"\bb\b"):
            ally_fast.select(
                embeddings, scores, b, len(centroids), centroids=centroids, **arguments
            )
    else:
        assert_is_reference(embeddings, scores, b, centroids, **arguments)


@given(pool=pools(), data=st.data())
def test_is_the_reference_with_weights(pool, data):
    embeddings, scores, centroids = pool
    k = len(centroids)
    weights = data.draw(st.lists(st.floats(0.01, 100.0), min_size=k, max_size=k), label="weights")
    b = data.draw(st.integers(0, len(scores)), label="b")
    assert_is_reference(embeddings, scores, b, centroids, allocation=weights)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("allocation", ALLOCATIONS)
@pytest.mark.parametrize("dtype", DTYPES, ids="dtype={}".format)
def test_end_to_end_is_the_reference_at_the_trained_centroids(metric, allocation, dtype, rng):
    embeddings, scores, _ = in_clusters(rng, n=900)
    embeddings = embeddings.astype(dtype)
    arguments = {"allocation": allocation, "metric": metric, "exclude": np.arange(0, 900, 5)}
    indices, info = ally_fast.select(embeddings, scores, 70, 13, return_info=True, **arguments)
    expected = reference.select(embeddings, scores, 70, info.centroids, **arguments)
    assert_same_batch(indices, info, expected)


@pytest.mark.parametrize("seed", range(8), ids="seed={}".format)
@pytest.mark.parametrize("metric", METRICS)
def test_centroids_can_be_reused(metric, seed):
    rng = np.random.default_rng(seed)
    embeddings, scores, _ = in_clusters(rng, k=40)
    first, info = ally_fast.select(embeddings, scores, 50, 40, metric=metric, return_info=True)
    again, reused = ally_fast.select(
        embeddings, scores, 50, 40, metric=metric, centroids=info.centroids, return_info=True
    )
    np.testing.assert_array_equal(info.centroids, reused.centroids)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(info.distances, reused.distances)
    assert (reused.n_iter, reused.train_rows, reused.inertia) == (0, 0, None)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_strides_of_the_other_arrays(layout, rng):
    embeddings, scores, centroids = in_clusters(rng)
    arguments = {
        "centroids": lay_out(centroids.astype(np.float64), layout),
        "labeled_embeddings": lay_out(embeddings[:5], layout),
        "exclude": np.arange(0, 400, 3)[::-2],
        "allocation": np.linspace(1, 2, 24)[::2],
    }
    assert_is_reference(embeddings, scores[::-1], 30, radius=0.1, **arguments)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids="dtype={}".format)
def test_any_strides(layout, dtype, rng):
    embeddings, scores, centroids = in_clusters(rng)
    embeddings = lay_out(embeddings.astype(dtype), layout)
    assert_is_reference(embeddings, scores[::-1], 60, centroids, chunk_rows=64)


# Properties


@given(pool=pools(), data=st.data())
def test_exactly_b_distinct_eligible_rows(pool, data):
    embeddings, scores, _ = pool
    n = len(scores)
    k = data.draw(st.integers(1, n), label="k")
    excluded = np.zeros(n, dtype=bool)
    excluded[k:] = data.draw(st.booleans(), label="exclude")
    b = data.draw(st.integers(0, int((~excluded).sum())), label="b")
    indices = ally_fast.select(embeddings, scores, b, k, exclude=excluded)
    assert indices.shape == (b,)
    assert indices.dtype == np.int64
    assert len(set(indices.tolist())) == b
    assert not excluded[indices].any()


@given(pool=pools(), data=st.data())
def test_counts_of_clusters_differ_by_one_unless_exhausted(pool, data):
    embeddings, scores, _ = pool
    k = data.draw(st.integers(1, len(scores)), label="k")
    b = data.draw(st.integers(0, len(scores)), label="b")
    _, info = ally_fast.select(embeddings, scores, b, k, return_info=True)
    assert_balanced(info.cluster_counts, info.cluster_sizes)


@pytest.mark.parametrize("radius", [None, 0.3], ids="radius={}".format)
@pytest.mark.parametrize("allocation", ALLOCATIONS)
def test_a_prefix_is_the_answer_for_a_smaller_b(radius, allocation, rng):
    embeddings, scores, centroids = in_clusters(rng)
    arguments = {"centroids": centroids, "allocation": allocation, "radius": radius}
    long = ally_fast.select(embeddings, scores, 90, 12, **arguments)
    for b in (0, 1, 11, 12, 13, 50, 89):
        short = ally_fast.select(embeddings, scores, b, 12, **arguments)
        np.testing.assert_array_equal(short, long[:b])


@pytest.mark.parametrize("allocation", ALLOCATIONS)
@pytest.mark.parametrize(
    "transform",
    [np.sqrt, np.log, lambda s: 1e-3 * s - 7.0, np.float32],
    ids=["sqrt", "log", "affine", "float32"],
)
def test_a_strictly_increasing_transform_changes_nothing(allocation, transform, rng):
    embeddings, _, centroids = in_clusters(rng)
    scores = (rng.permutation(400) // 3 + 1) / 64.0  # ties; exact in float32
    *transformed, max_score = transform(np.append(scores, 1.5))
    before = ally_fast.select(
        embeddings, scores, 60, 12, centroids=centroids, allocation=allocation, max_score=1.5
    )
    after = ally_fast.select(
        embeddings,
        np.asarray(transformed),
        60,
        12,
        centroids=centroids,
        allocation=allocation,
        max_score=float(max_score),
    )
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("radius", [None, 0.3], ids="radius={}".format)
@pytest.mark.parametrize("allocation", ALLOCATIONS)
def test_a_permutation_of_the_rows_permutes_the_answer(radius, allocation, rng):
    embeddings, scores, centroids = in_clusters(rng)
    arguments = {"centroids": centroids, "allocation": allocation, "radius": radius}
    order = rng.permutation(400)
    straight = ally_fast.select(embeddings, scores, 90, 12, **arguments)
    permuted = ally_fast.select(embeddings[order], scores[order], 90, 12, **arguments)
    np.testing.assert_array_equal(order[permuted], straight)


def test_every_cluster_gives_its_best_before_any_gives_its_second(rng):
    embeddings, scores, centroids = in_clusters(rng)
    _, info = ally_fast.select(embeddings, scores, 100, 12, centroids=centroids, return_info=True)
    assert (np.diff(info.ranks) >= 0).all()
    first = info.ranks == 0
    assert sorted(info.clusters[first]) == list(range(12))
    assert (np.diff(info.scores[first]) <= 0).all()


def test_proportional_counts_follow_the_sizes(rng):
    embeddings, scores, centroids = in_clusters(rng, n=2000)
    _, info = ally_fast.select(
        embeddings,
        scores,
        500,
        12,
        centroids=centroids,
        allocation="proportional",
        return_info=True,
    )
    assert np.abs(info.cluster_counts - info.cluster_sizes / 4).max() <= 1


@pytest.mark.parametrize("zero_scored", [0.0, -0.0], ids=["plus_zero", "minus_zero"])
def test_both_zeros_are_one_score(zero_scored, rng):
    embeddings, _, centroids = in_clusters(rng)
    scores = np.where(np.arange(400) % 2, zero_scored, 0.0)
    indices = assert_is_reference(embeddings, scores, 100, centroids)
    again = ally_fast.select(embeddings, np.zeros(400), 100, 12, centroids=centroids)
    np.testing.assert_array_equal(indices, again)


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "int8", "uint8", "int64", ">f8"], ids="dtype={}".format
)
def test_scores_of_any_dtype(dtype, rng):
    embeddings, _, centroids = in_clusters(rng)
    scores = rng.integers(0, 100, size=400).astype(dtype)
    assert_is_reference(embeddings, scores, 60, centroids)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", ">f4"], ids="dtype={}".format)
def test_embeddings_of_other_dtypes(dtype, rng):
    embeddings = rng.integers(0, 100, size=(300, 11)).astype(dtype)
    centroids = embeddings[::30].astype(np.float32)
    assert_is_reference(embeddings, rng.normal(size=300), 60, centroids, chunk_rows=64)


def test_lists_are_arrays():
    indices = ally_fast.select([[0.0], [0.1], [9.0]], [1, 3, 2], 2, 2, centroids=[[0.0], [9.0]])
    assert isinstance(indices, np.ndarray)
    assert indices.tolist() == [1, 2]


@pytest.mark.parametrize("kind", ["mask", "indices", "list", "int32", "repeated", "empty"])
def test_exclude_as_mask_or_indices(kind, rng):
    embeddings, scores, centroids = in_clusters(rng)
    taken = np.flatnonzero(rng.random(400) < 0.5)
    mask = np.zeros(400, dtype=bool)
    mask[taken] = True
    exclude = {
        "mask": mask,
        "indices": taken,
        "list": taken.tolist(),
        "int32": taken.astype(np.int32),
        "repeated": np.concatenate([taken, taken[::-1]]),
        "empty": np.empty(0, dtype=np.int64),
    }[kind]
    indices = assert_is_reference(embeddings, scores, 60, centroids, exclude=exclude)
    if kind != "empty":
        assert not mask[indices].any()


def test_max_score_keeps_rows_at_the_cap(rng):
    embeddings, _, centroids = in_clusters(rng)
    scores = np.arange(400.0)
    indices = assert_is_reference(embeddings, scores, 60, centroids, max_score=200.0)
    assert indices[0] == 200
    assert indices.max() == 200


def test_rows_near_labeled_ones_are_never_taken(rng):
    embeddings, scores, centroids = in_clusters(rng)
    labeled = embeddings[rng.integers(0, 400, size=20)]
    indices = assert_is_reference(
        embeddings, scores, 30, centroids, radius=0.4, labeled_embeddings=labeled
    )
    assert not reference.radius_filter(embeddings[indices], labeled, 0.4).any()


def test_a_row_exactly_at_the_radius_is_blocked():
    line = np.arange(10.0)[:, None]
    indices = ally_fast.select(line, -np.arange(10.0), 5, 1, centroids=[[0.0]], radius=1.0)
    assert indices.tolist() == [0, 2, 4, 6, 8]
    indices = ally_fast.select(line, -np.arange(10.0), 10, 1, centroids=[[0.0]], radius=0.999)
    assert indices.tolist() == list(range(10))


def test_a_radius_below_float32_resolution():
    """float64 rows that float32 would take for one."""
    embeddings = 1000.0 + np.arange(4)[:, None] * 1e-6
    arguments = {"centroids": [[1000.0]], "radius": 1.5e-6}
    indices = assert_is_reference(embeddings, -np.arange(4.0), 2, **arguments)
    assert indices.tolist() == [0, 2]
    labeled = assert_is_reference(
        embeddings, -np.arange(4.0), 1, labeled_embeddings=embeddings[:1], **arguments
    )
    assert labeled.tolist() == [2]


def test_hundreds_of_picks_that_block_each_other(rng):
    embeddings = rng.uniform(size=(4000, 2)).astype(np.float32)
    centroids = rng.uniform(size=(15, 2)).astype(np.float32)
    assert_is_reference(embeddings, rng.normal(size=4000), 800, centroids, radius=0.02)


def test_a_blocked_cluster_offers_its_next_at_the_same_quotient():
    rows = [[0.0], [0.1], [-3.0], [10.0], [12.0]]
    indices, info = ally_fast.select(
        rows,
        [5.0, 4.0, 3.0, 2.0, 1.0],
        4,
        2,
        centroids=[[0.0], [10.0]],
        radius=0.5,
        return_info=True,
    )
    assert indices.tolist() == [0, 3, 2, 4]
    assert info.ranks.tolist() == [0, 0, 1, 1]


def test_a_labeled_set_without_rows_changes_nothing(rng):
    embeddings, scores, centroids = in_clusters(rng)
    plain = ally_fast.select(embeddings, scores, 30, 12, centroids=centroids, radius=0.3)
    with_none = ally_fast.select(
        embeddings,
        scores,
        30,
        12,
        centroids=centroids,
        radius=0.3,
        labeled_embeddings=np.empty((0, 9), dtype=np.float32),
    )
    np.testing.assert_array_equal(plain, with_none)


# What ran


def test_info_tells_what_ran(rng):
    embeddings, scores, _ = in_clusters(rng)
    indices, info = ally_fast.select(
        embeddings, scores, 30, 12, seed=5, exclude=[1, 2, 3], train_size=200, return_info=True
    )
    np.testing.assert_array_equal(info.scores, scores[indices])
    assert info.centroids.shape == (12, 9)
    assert info.centroids.dtype == np.float32
    assert info.clusters.dtype == np.int32
    assert info.ranks.dtype == np.int64
    assert info.distances.dtype == np.float64
    assert info.cluster_sizes.sum() == info.eligible_rows == 397
    assert info.cluster_counts.sum() == 30
    assert info.train_rows == 200
    assert 1 <= info.n_iter <= 25
    assert info.inertia > 0
    assert (info.engine, info.device, info.seed) == ("native", "cpu", 5)
    assert info.isa
    assert {"train", "assign", "batch", "total"} <= set(info.seconds)
    assert all(seconds >= 0 for seconds in info.seconds.values())
    assert info.bytes_read >= 397 * 9 * 4
    assert info.peak_bytes > 0


def test_info_is_frozen(rng):
    embeddings, scores, centroids = in_clusters(rng)
    _, info = ally_fast.select(embeddings, scores, 3, 12, centroids=centroids, return_info=True)
    with pytest.raises(AttributeError):
        info.seed = 1


def test_isa_in_the_info_is_the_one_forced(isa, rng):
    embeddings, scores, _ = in_clusters(rng)
    _, info = ally_fast.select(embeddings, scores, 3, 12, return_info=True)
    assert info.isa == isa
