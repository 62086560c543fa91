"""Other engines give centroids and assignments; everything after is the same rule."""

import importlib.util
from typing import ClassVar

import numpy as np
import pytest
from cases import DTYPES, assert_balanced

import ally_fast
from ally_fast.cluster.choose_engine import choose_engine
from ally_fast.cluster.faiss_engine import FaissSearch
from ally_fast.rows import Rows

REQUIRED = {"native": None, "faiss": "faiss", "sklearn": "sklearn"}


@pytest.fixture(params=REQUIRED, ids="engine={}".format)
def engine(request):
    """Return the name of each engine that is installed."""
    module = REQUIRED[request.param]
    if module and importlib.util.find_spec(module) is None:
        pytest.skip(f"needs {module}")
    return request.param


def pool(rng, n=800, d=8):
    return rng.normal(size=(n, d)).astype(np.float32), rng.exponential(size=n)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("dtype", DTYPES, ids="dtype={}".format)
def test_the_batch_follows_the_rule(engine, metric, dtype, rng):
    rows, scores = pool(rng)
    exclude = rng.random(800) < 0.2
    indices, info = ally_fast.select(
        rows.astype(dtype),
        scores,
        101,
        10,
        engine=engine,
        metric=metric,
        exclude=exclude,
        return_info=True,
    )
    assert info.engine == engine
    assert len(set(indices.tolist())) == len(indices) == 101
    assert not exclude[indices].any()
    assert info.centroids.shape == (10, 8)
    wide = dtype == "float64" and metric == "euclidean"
    assert info.centroids.dtype == (np.float64 if wide else np.float32)
    assert info.cluster_sizes.sum() == info.eligible_rows == (~exclude).sum()
    assert_balanced(info.cluster_counts, info.cluster_sizes)
    assert (np.diff(info.ranks) >= 0).all()
    for cluster in range(10):
        assert (np.diff(info.scores[info.clusters == cluster]) <= 0).all()


def test_assignments_are_to_nearest_centroids(engine, rng):
    rows, scores = pool(rng)
    indices, info = ally_fast.select(rows, scores, 800, 10, engine=engine, return_info=True)
    distances = np.linalg.norm(rows[indices][:, None] - info.centroids, axis=2)
    np.testing.assert_allclose(info.distances, distances.min(axis=1), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("b", "k"), [(0, 5), (3, 7), (40, 1), (40, 40), (1, 1), (40, 3)])
def test_corners(engine, b, k, rng):
    rows, scores = pool(rng, n=40)
    indices = ally_fast.select(rows, scores, b, k, engine=engine)
    assert indices.dtype == np.int64
    assert len(set(indices.tolist())) == len(indices) == b


def test_fewer_distinct_rows_than_clusters(engine, rng):
    rows = np.repeat(rng.normal(size=(3, 4)), 20, axis=0).astype(np.float32)
    indices = ally_fast.select(rows, np.zeros(60), 30, 12, engine=engine)
    assert len(set(indices.tolist())) == 30


def test_reproducible_by_seed(engine, rng):
    rows, scores = pool(rng, n=4000)
    runs = [
        ally_fast.select(rows, scores, 60, 20, engine=engine, seed=seed, return_info=True)
        for seed in (0, 1, 0)
    ]
    np.testing.assert_array_equal(runs[0][0], runs[2][0])
    np.testing.assert_array_equal(runs[0][1].centroids, runs[2][1].centroids)
    assert not np.array_equal(runs[0][1].centroids, runs[1][1].centroids)


@pytest.mark.parametrize("train_size", ["auto", None, 300], ids="train_size={}".format)
def test_training_rows_are_reported(engine, train_size, rng):
    rows, _ = pool(rng, n=2000)
    result = ally_fast.kmeans(rows, 4, train_size=train_size, engine=engine)
    assert result.train_rows == {"auto": 1024, None: 2000, 300: 300}[train_size]
    assert result.engine == engine


def test_quality(engine, rng):
    rows, _ = pool(rng, n=2000)
    result = ally_fast.kmeans(rows, 20, train_size=None, engine=engine)
    native = ally_fast.kmeans(rows, 20, train_size=None)
    assert result.inertia == pytest.approx(native.inertia, rel=0.05)


def test_arrays_are_not_changed(engine, rng):
    rows, scores = pool(rng)
    rows.setflags(write=False)
    before = rows.copy()
    ally_fast.select(rows, scores, 20, 5, engine=engine, metric="cosine")
    np.testing.assert_array_equal(rows, before)


def test_auto_is_native():
    assert choose_engine("auto").name == "native"


def test_a_named_engine_is_that_engine(engine):
    assert choose_engine(engine).name == engine


LIBRARIES = ["faiss", "sklearn"]  # they square in float32


def library(engine):
    pytest.importorskip(engine)
    return engine


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("scale", [1e-30, 1e-14, 1e15, 1e18, 1e20, 3e37], ids="scale={}".format)
@pytest.mark.parametrize("given", [False, True], ids=["trained", "given"])
def test_rows_of_any_size_are_clustered_or_refused(engine, scale, metric, given, rng):
    """Never a process that ends, an infinite inertia, or all rows in one cluster."""
    rows, scores = pool(rng)
    rows *= np.float32(scale)
    wanted = {"engine": engine, "metric": metric, "centroids": rows[:5] if given else None}
    if engine != "native" and metric == "euclidean" and scale not in (1e-14, 1e15):
        with pytest.raises(ValueError, match=rf"got values up to .* engine='{engine}' .* scale"):
            ally_fast.select(rows, scores, 20, 5, **wanted)
        return
    _, info = ally_fast.select(rows, scores, 20, 5, return_info=True, **wanted)
    assert info.cluster_sizes.sum() == 800
    assert info.cluster_sizes.min() > 10
    assert given or 0 < info.inertia < np.inf


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_large_row_outside_the_training_sample_is_refused(name, rng):
    rows, scores = pool(rng)
    rows[7] *= np.float32(1e20)
    allowed = {"engine": library(name), "train_size": 5}
    with pytest.raises(ValueError, match="embeddings: got values up to"):
        ally_fast.select(rows, scores, 20, 5, **allowed)
    with pytest.raises(ValueError, match="embeddings: got values up to"):
        ally_fast.select(rows, scores, 20, 5, centroids=rows[:5], **allowed)
    assert 7 not in ally_fast.select(rows, scores, 20, 5, exclude=[7], **allowed)


@pytest.mark.parametrize("name", LIBRARIES)
def test_large_centroids_are_refused(name, rng):
    rows, scores = pool(rng)
    with pytest.raises(ValueError, match="centroids: got values up to"):
        ally_fast.select(
            rows, scores, 20, 5, centroids=rows[:5] * np.float32(1e19), engine=library(name)
        )


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_centroid_near_zero_is_a_centroid(name, rng):
    """The mean of centred rows is tiny, and so may some chunk of rows be."""
    rows, scores = pool(rng)
    rows -= rows.mean(axis=0)
    rows[:10] = 1e-20
    centroids = np.full((1, 8), 1e-20, np.float32)
    arguments = {"engine": library(name), "chunk_rows": 10}
    for k, given in ((1, None), (1, centroids), (2, np.concatenate([centroids, rows[20:21]]))):
        found = ally_fast.select(rows, scores, 20, k, centroids=given, **arguments)
        assert len(set(found.tolist())) == 20
    assert len(ally_fast.select(np.zeros_like(rows), scores, 20, 3, engine=name)) == 20


def test_more_iterations_than_faiss_can_count(rng):
    rows, scores = pool(rng)
    with pytest.raises(ValueError, match=r"max_iter: got 2147483648, .*FAISS"):
        ally_fast.select(rows, scores, 20, 5, engine=library("faiss"), max_iter=2**31)


def test_faiss_searches_in_pieces_between_which_ctrl_c_is_heard():
    class Index:
        """Says 0, 1, … of the rows it is given, and keeps their number."""

        ntotal, d = 20_000, 4
        sizes: ClassVar = []

        def search(self, rows, k):
            self.sizes.append(len(rows))
            return None, rows[:, :1].astype(np.int64)

    numbers = np.arange(150_000, dtype=np.float32) % 20_000
    rows = Rows(np.repeat(numbers[:, None], 4, axis=1))
    centroids = np.ones((2, 4), np.float32)
    assignments, finite = FaissSearch(Index(), centroids, None)(rows)
    assert finite
    np.testing.assert_array_equal(assignments, numbers)
    *full, last = Index.sizes
    assert set(full) == {13 * 4096}  # times 20,000 centroids and 4 features: below 2**32
    assert last == 150_000 - 2 * 13 * 4096
