"""A GPU gives the answer of the CPU, bit for bit, wherever the rows are."""

import threading

import numpy as np
import pytest
from cases import HARD_POOLS, hard_pool

import ally_fast

pytestmark = pytest.mark.gpu

N = 700
SECOND, BOTH = (
    pytest.param(name, marks=pytest.mark.devices(2)) for name in ("cuda:1", "cuda:0,cuda:1")
)


def put(array, device=0):
    """Return an array in device memory, with nothing but the CUDA array interface known of it."""
    from ally_fast import _cuda

    return _cuda.DeviceArray.from_host(np.ascontiguousarray(array), _cuda.Stream(device))


def both(embeddings, scores, b, k, where, **arguments):
    """Return (CPU answer, GPU answer) with all that the information holds, ready to compare."""
    expected = ally_fast.select(embeddings, scores, b, k, return_info=True, **arguments)
    if where == "device":
        found = ally_fast.select(
            put(embeddings), put(scores), b, k, return_info=True, device="cuda", **arguments
        )
        found = (found[0].to_host(), found[1])
    else:
        found = ally_fast.select(
            embeddings, scores, b, k, return_info=True, device=where, **arguments
        )
    return expected, found


def assert_same(expected, found):
    np.testing.assert_array_equal(found[0], expected[0])
    for name in ("scores", "clusters", "ranks", "distances", "centroids", "cluster_sizes"):
        np.testing.assert_array_equal(getattr(found[1], name), getattr(expected[1], name), name)
    for name in ("inertia", "n_iter", "train_rows", "eligible_rows", "engine", "seed"):
        assert getattr(found[1], name) == getattr(expected[1], name), name
    assert found[1].device.startswith("cuda")


@pytest.mark.parametrize("where", ["device", "cuda", SECOND, BOTH])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_trained_here_is_trained_there(where, metric, rng):
    embeddings, _ = hard_pool("plain", rng, N, 9, 20)
    scores = rng.random(N)
    assert_same(*both(embeddings, scores, 60, 9, where, metric=metric, max_iter=4))


@pytest.mark.parametrize("where", ["device", "cuda"])
@pytest.mark.parametrize("pool", HARD_POOLS)
def test_hard_pools(pool, where, rng):
    embeddings, centroids = hard_pool(pool, rng, 300, 7, 12)
    scores = rng.integers(0, 5, size=300).astype(np.float64)
    assert_same(*both(embeddings, scores, 40, 7, where, centroids=centroids))
    assert_same(*both(embeddings, scores, 40, 7, where, max_iter=3))


@pytest.mark.parametrize("allocation", ["equal", "proportional", "sqrt"])
@pytest.mark.parametrize("where", ["device", "cuda"])
def test_everything_at_once(where, allocation, rng):
    embeddings, centroids = hard_pool("plain", rng, N, 9, 6)
    embeddings[33] = np.nan  # excluded
    scores = rng.integers(0, 9, size=N).astype(np.float64)
    arguments = {
        "allocation": allocation,
        "exclude": [33, 5, 6],
        "max_score": 7.0,
        "radius": 0.3,
        "labeled_embeddings": embeddings[:5],
        "chunk_rows": 128,
        "centroids": centroids,
    }
    assert_same(*both(embeddings, scores, 50, 9, where, **arguments))


LIMITS = {
    "groups": {"groups": np.arange(700) % 3, "min_per_group": {2: 20}, "max_per_group": 30},
    "costs": {"cost": np.arange(700) % 7, "cost_budget": 60},
    "random ties": {"tie_break": "random", "seed": 5},
    "all": {
        "groups": np.arange(700) % 3,
        "max_per_group": 30,
        "cost": np.arange(700) % 7,
        "cost_budget": 100.0,
        "tie_break": "random",
        "radius": 0.2,
        "allocation": "sqrt",
    },
}


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("where", ["device", "cuda", BOTH])
def test_groups_costs_and_ties(where, limits, rng):
    embeddings = rng.normal(size=(700, 9)).astype(np.float32)
    scores = np.round(rng.normal(size=700))
    options = {"centroids": embeddings[:12], **LIMITS[limits]}
    assert_same(*both(embeddings, scores, 60, 12, where, **options))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("where", ["device", "cuda"])
def test_dtypes(where, dtype, rng):
    embeddings = rng.normal(size=(N, 17)).astype(dtype)
    scores = rng.random(N).astype(np.float32)
    assert_same(*both(embeddings, scores, 30, 5, where, max_iter=3))


@pytest.mark.parametrize("chunk_rows", [1, 100, 699, 5000])
def test_any_chunk_size(chunk_rows, rng):
    embeddings, centroids = hard_pool("near_duplicates", rng, N, 9, 20)
    scores = rng.integers(0, 5, size=N).astype(np.float64)
    rows = min(chunk_rows, 100) if chunk_rows > 1 else 10  # one row a chunk is slow to emulate
    embeddings, scores = embeddings[: rows * 7], scores[: rows * 7]
    arguments = {"centroids": centroids, "chunk_rows": chunk_rows}
    assert_same(*both(embeddings, scores, 20, 9, "cuda", **arguments))
    assert_same(*both(embeddings, scores, 20, 9, "device", **arguments))


def test_many_centroids(rng):
    embeddings = rng.normal(size=(N, 3)).astype(np.float32)
    assert_same(*both(embeddings, np.zeros(N), 50, 100, "cuda", max_iter=2))


def test_slices_and_relocation(rng):
    """Enough rows for slices of several sizes."""
    centres = rng.normal(size=(12, 8)) * 4
    embeddings = centres[rng.integers(0, 12, 3000)] + rng.normal(size=(3000, 8))
    embeddings = embeddings.astype(np.float32)
    assert_same(*both(embeddings, rng.random(3000), 40, 12, "device", max_iter=6))


@pytest.mark.parametrize("where", ["device", "cuda", BOTH])
@pytest.mark.parametrize("bad", [0, 350, 699])
def test_a_row_that_is_not_finite_is_named(where, bad, rng):
    embeddings = rng.normal(size=(N, 4)).astype(np.float32)
    embeddings[bad, 2] = np.inf
    arguments = {"centroids": embeddings[1:6], "device": where, "chunk_rows": 64}
    if where == "device":
        embeddings, arguments["device"] = put(embeddings), "cuda"
    with pytest.raises(ValueError, match=rf"1 of {N} rows.*row {bad};"):
        ally_fast.select(embeddings, np.zeros(N), 5, 5, **arguments)


def test_scores_that_are_not_finite_are_named(rng):
    scores = rng.random(N)
    scores[[70, 400]] = np.nan
    with pytest.raises(ValueError, match=rf"dual_scores: 2 of {N}.*row 70"):
        ally_fast.select(put(rng.normal(size=(N, 4))), put(scores), 5, 2)


def test_one_device_asked_for_another(rng):
    rows = put(rng.normal(size=(20, 4)))
    with pytest.raises(ValueError, match=r"cuda:1.*embeddings are on cuda:0"):
        ally_fast.select(rows, np.zeros(20), 2, 2, device="cuda:1")
    with pytest.raises(ValueError, match=r"'cpu'.*embeddings are on cuda:0"):
        ally_fast.select(rows, np.zeros(20), 2, 2, device="cpu")
    with pytest.raises(RuntimeError, match="cuda:7"):
        ally_fast.select(np.ones((20, 4)), np.zeros(20), 2, 2, device="cuda:7")


def test_integers_on_a_device_are_refused():
    with pytest.raises(TypeError, match=r"embeddings.*int32"):
        ally_fast.select(put(np.ones((20, 4), np.int32)), np.zeros(20), 2, 2)


def test_small_arguments_in_either_memory(rng):
    embeddings = rng.normal(size=(N, 5)).astype(np.float32)
    arguments = {
        "exclude": np.arange(N) % 7 == 0,
        "centroids": embeddings[:6],
        "labeled_embeddings": embeddings[:3],
        "allocation": np.arange(1.0, 7.0),
        "radius": 0.1,
    }
    expected = ally_fast.select(embeddings, embeddings[:, 0], 40, 6, **arguments)
    there = {name: put(x) if name != "radius" else x for name, x in arguments.items()}
    for rows in (embeddings, put(embeddings)):
        found = ally_fast.select(rows, put(embeddings[:, 0]), 40, 6, **there)
        np.testing.assert_array_equal(found if rows is embeddings else found.to_host(), expected)


def test_twice_is_the_same(rng):
    embeddings = put(rng.normal(size=(N, 16)).astype(np.float32))
    scores = put(rng.random(N))
    first = ally_fast.select(embeddings, scores, 50, 9, max_iter=3).to_host()
    again = ally_fast.select(embeddings, scores, 50, 9, max_iter=3).to_host()
    np.testing.assert_array_equal(first, again)


def test_kmeans_and_assign(rng):
    embeddings = rng.normal(size=(N, 10)).astype(np.float32)
    expected = ally_fast.kmeans(embeddings, 8, max_iter=4)
    for rows, device in ((put(embeddings), "auto"), (embeddings, "cuda")):
        found = ally_fast.kmeans(rows, 8, max_iter=4, device=device)
        np.testing.assert_array_equal(found.centroids, expected.centroids)
        assert (found.inertia, found.n_iter) == (expected.inertia, expected.n_iter)
        assignments = ally_fast.assign(rows, expected.centroids, device=device)
        assignments = assignments if device == "cuda" else assignments.to_host()
        np.testing.assert_array_equal(assignments, ally_fast.assign(embeddings, expected.centroids))


@pytest.mark.parametrize("where", ["host", "device"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_scores_of_excluded_rows_may_be_anything(dtype, where, rng):
    embeddings, _ = hard_pool("plain", rng, N, 9, 20)
    scores = rng.random(N).astype(dtype)
    exclude = np.arange(N) < 300
    expected = ally_fast.select(embeddings, scores, 60, 9, exclude=exclude)
    scores[:300] = np.nan
    rows = put(embeddings) if where == "device" else embeddings
    found = ally_fast.select(rows, put(scores), 60, 9, exclude=exclude, device="cuda")
    found = found.to_host() if where == "device" else found
    np.testing.assert_array_equal(found, expected)
    exclude[42] = False
    with pytest.raises(ValueError, match=r"dual_scores: 1 of 401 scores are NaN .* row 42"):
        ally_fast.select(rows, put(scores), 60, 9, exclude=exclude, device="cuda")


@pytest.mark.parametrize("where", ["device", "cuda", BOTH])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"allocation": "sqrt"},
        {"max_score": 0.7},
        {"exclude": np.arange(0, N, 3), "radius": 2.5},
        {"radius": 3.0, "labeled_embeddings": np.zeros((1, 20))},
    ],
    ids=["plain", "sqrt", "max_score", "excluded, radius", "labeled"],
)
def test_a_function_gives_the_scores(options, where, rng):
    """It is called with rows in host memory, by one thread at a time."""
    embeddings, _ = hard_pool("plain", rng, N, 9, 20)
    inside = threading.Lock()

    def score(rows):
        assert isinstance(rows, np.ndarray)
        assert inside.acquire(blocking=False)
        try:
            return rows[:, 2]
        finally:
            inside.release()

    device = "cuda" if where == "device" else where
    pool = put(embeddings) if where == "device" else embeddings
    found = ally_fast.select(pool, score, 60, 9, return_info=True, device=device, **options)
    if where == "device":
        found = (found[0].to_host(), found[1])
    expected = ally_fast.select(embeddings, embeddings[:, 2], 60, 9, return_info=True, **options)
    assert_same(expected, found)
