"""k-means: exact steps, reproducible, no empty clusters, and as good as scikit-learn's."""

import itertools

import numpy as np
import pytest
import reference
from cases import DTYPES, LAYOUTS, RUNNABLE_ISAS, core, hard_pool, lay_out, read_only

import ally_fast


def blobs(rng, n=600, k=8, d=10, spread=0.1):
    centers = rng.normal(size=(k, d))
    return (np.repeat(centers, n // k, axis=0) + spread * rng.normal(size=(n, d))).astype(
        np.float32
    )


def inertia_of(embeddings, centroids):
    assignments = ally_fast.assign(embeddings, centroids)
    return reference.paired_squared_distance(embeddings, centroids, assignments).sum()


def test_result(rng):
    result = ally_fast.kmeans(blobs(rng), 8, seed=3)
    assert result.centroids.shape == (8, 10)
    assert result.centroids.dtype == np.float32
    assert (result.train_rows, result.engine, result.device, result.seed) == (
        600,
        "native",
        "cpu",
        3,
    )
    assert 1 <= result.n_iter <= 25
    assert result.isa in RUNNABLE_ISAS
    assert result.seconds is not None
    with pytest.raises(AttributeError):
        result.seed = 4


def test_finds_well_separated_blobs(rng):
    rows = blobs(rng, spread=0.01)
    assignments = ally_fast.assign(rows, ally_fast.kmeans(rows, 8).centroids)
    for first in range(0, 600, 75):
        assert len(set(assignments[first : first + 75].tolist())) == 1
    assert len(set(assignments.tolist())) == 8


def test_at_convergence_a_step_changes_nothing(rng):
    rows = blobs(rng, spread=0.5)
    result = ally_fast.kmeans(rows, 8, train_size=None, max_iter=300, tol=0.0)
    assert result.n_iter < 300
    assignments = reference.assign(rows, result.centroids)
    grid = reference.feature_grid(rows)
    batch = reference.cluster_sums(rows, assignments, 8, grid, len(rows))[:2]
    averages = np.zeros(8), np.zeros((8, 10))
    *_, means = reference.centroid_update(batch, grid, averages, result.centroids, 0.0, 1.0)
    np.testing.assert_array_equal(result.centroids, means)


def test_inertia_is_that_of_the_training_rows(rng):
    rows = blobs(rng, spread=0.5)
    result = ally_fast.kmeans(rows, 8, train_size=None, max_iter=300, tol=0.0)
    assert result.inertia == pytest.approx(inertia_of(rows, result.centroids), rel=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e5, 1e6], ids="offset={}".format)
def test_a_common_offset_blurs_neither_centroids_nor_inertia(offset, rng):
    rows = (rng.normal(size=(4000, 16)) + offset).astype(np.float32)
    result = ally_fast.kmeans(rows, 30, train_size=None, tol=1e-4)
    assert result.inertia == pytest.approx(inertia_of(rows, result.centroids), rel=1e-3)
    centred = ally_fast.kmeans(rows - np.float32(offset), 30, train_size=None, tol=1e-4)
    assert result.inertia == pytest.approx(centred.inertia, rel=0.01)


def test_one_cluster_is_the_mean(rng):
    rows = rng.normal(size=(500, 7)).astype(np.float32)
    result = ally_fast.kmeans(rows, 1, train_size=None)
    np.testing.assert_allclose(result.centroids[0], rows.astype(float).mean(axis=0), rtol=1e-6)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_as_many_clusters_as_rows(metric, rng):
    rows = rng.normal(size=(50, 4)).astype(np.float32)
    result = ally_fast.kmeans(rows, 50, metric=metric)
    expected = rows if metric == "euclidean" else reference.normalize_rows(rows)
    if metric == "euclidean":
        assert {row.tobytes() for row in result.centroids} == {row.tobytes() for row in expected}
        assert result.inertia == 0
    else:
        assert sorted(reference.assign(expected, result.centroids)) == list(range(50))
        assert result.inertia < 1e-10


@pytest.mark.parametrize("k", [4, 10, 60], ids="k={}".format)
def test_no_cluster_is_left_empty_where_rows_are_distinct(k, rng):
    rows = np.concatenate([rng.normal(size=(60, 2)), 1e-3 * rng.normal(size=(540, 2)) + 50])
    rows = rows.astype(np.float32)
    centroids = ally_fast.kmeans(rows, k, max_iter=50).centroids
    assert np.bincount(ally_fast.assign(rows, centroids), minlength=k).min() >= 1


@pytest.mark.parametrize("k", [5, 20], ids="k={}".format)
def test_fewer_distinct_rows_than_clusters(k, rng):
    distinct = rng.normal(size=(4, 3)).astype(np.float32)
    result = ally_fast.kmeans(np.repeat(distinct, 10, axis=0), k)
    assert np.isfinite(result.centroids).all()
    assert result.inertia == pytest.approx(0, abs=1e-9)
    taken = result.centroids[ally_fast.assign(distinct, result.centroids)]
    np.testing.assert_allclose(taken, distinct, rtol=1e-6)


def test_cosine_ignores_lengths(rng):
    directions = reference.normalize_rows(blobs(rng, spread=0.3)).astype(np.float64)
    powers = 2.0 ** rng.integers(-8, 9, size=(600, 1))  # exact
    plain = ally_fast.kmeans(directions, 8, metric="cosine")
    scaled = ally_fast.kmeans(directions * powers, 8, metric="cosine")
    np.testing.assert_array_equal(plain.centroids, scaled.centroids)
    lengths = np.linalg.norm(plain.centroids.astype(float), axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-6)


def test_cosine_rows_of_zeros_are_allowed(rng):
    rows = blobs(rng)
    rows[::9] = 0
    result = ally_fast.kmeans(rows, 8, metric="cosine")
    assert np.isfinite(result.centroids).all()


@pytest.mark.parametrize("max_iter", [1, 2, 5], ids="max_iter={}".format)
def test_max_iter_is_kept(max_iter, rng):
    rows = rng.normal(size=(600, 5)).astype(np.float32)
    assert ally_fast.kmeans(rows, 30, max_iter=max_iter, tol=0.0).n_iter == max_iter


def test_a_looser_tol_stops_earlier(rng):
    rows = rng.normal(size=(3000, 5)).astype(np.float32)
    loose = ally_fast.kmeans(rows, 30, tol=0.05, train_size=None)
    tight = ally_fast.kmeans(rows, 30, tol=1e-6, train_size=None)
    assert loose.n_iter < tight.n_iter
    assert tight.inertia <= loose.inertia


def test_more_iterations_lower_the_inertia(rng):
    rows = rng.normal(size=(1000, 6)).astype(np.float32)
    inertias = [
        ally_fast.kmeans(rows, 20, max_iter=i, tol=0.0, train_size=None).inertia
        for i in (1, 2, 3, 6, 12, 25)
    ]
    assert all(after < before for before, after in itertools.pairwise(inertias))


def test_the_seed_decides(rng):
    rows = rng.normal(size=(2000, 6)).astype(np.float32)
    runs = [ally_fast.kmeans(rows, 30, seed=seed).centroids.tobytes() for seed in (0, 1, 0)]
    assert runs[0] == runs[2]
    assert runs[0] != runs[1]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids="dtype={}".format)
def test_layout_changes_nothing(layout, dtype, rng):
    rows = blobs(rng).astype(dtype)
    expected = ally_fast.kmeans(rows, 8, max_iter=3).centroids
    got = ally_fast.kmeans(lay_out(rows, layout), 8, max_iter=3, chunk_rows=77).centroids
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_one_answer(metric, rng):
    rows = rng.normal(size=(40_000, 5)).astype(np.float32)
    runs = set()
    for isa in RUNNABLE_ISAS:
        for threads in (1, 2, 5):
            with core(isa=isa, threads=threads):
                result = ally_fast.kmeans(rows, 12, metric=metric, train_size=None, max_iter=4)
            runs.add((result.centroids.tobytes(), result.inertia, result.n_iter))
    assert len(runs) == 1


def test_rows_are_not_changed(rng):
    rows = blobs(rng)
    frozen = read_only(rows)
    ally_fast.kmeans(frozen, 8, metric="cosine")
    np.testing.assert_array_equal(frozen, rows)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"k": 0}, r"k.*0.*1"),
        ({"k": 601}, r"k.*601.*600"),
        ({"train_size": 5}, r"train_size.*5.*8"),
        ({"metric": "l1"}, r"metric.*l1.*euclidean"),
        ({"engine": "mlx"}, r"engine.*mlx.*native"),
        ({"max_iter": -1}, r"max_iter.*-1"),
        ({"tol": -1.0}, r"tol.*-1"),
    ],
    ids=lambda value: "".join(f"{k}={v}" for k, v in value.items()) if value is dict else None,
)
def test_errors(changes, words, rng):
    with pytest.raises(ValueError, match=words):
        ally_fast.kmeans(blobs(rng), **{"k": 8, **changes})


def test_rows_that_are_not_finite(rng):
    rows = blobs(rng)
    rows[7, 3] = np.nan
    with pytest.raises(ValueError, match=r"embeddings.*1.*7"):
        ally_fast.kmeans(rows, 8)


# assign


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("dtype", DTYPES, ids="dtype={}".format)
def test_assign_is_the_reference(metric, dtype, rng):
    rows, centroids = hard_pool("plain", rng, 300, 12, 9)
    rows = rows.astype(dtype)
    got = ally_fast.assign(rows, centroids, metric=metric, chunk_rows=70)
    assert got.dtype == np.int32
    if metric == "cosine":
        expected = reference.assign(rows, reference.normalize_rows(centroids), normalize=True)
    else:
        expected = reference.assign(rows, centroids)
    np.testing.assert_array_equal(got, expected)


def test_assign_no_rows():
    assert ally_fast.assign(np.empty((0, 3)), np.zeros((2, 3))).shape == (0,)


@pytest.mark.parametrize(
    ("embeddings", "centroids", "words"),
    [
        (np.zeros((5, 3)), np.zeros((2, 4)), r"centroids.*4.*3"),
        (np.zeros(5), np.zeros((2, 4)), r"embeddings.*5"),
        (np.zeros((5, 3)), np.zeros((0, 3)), r"centroids.*0"),
        (np.full((5, 3), np.nan), np.zeros((2, 3)), r"embeddings.*5.*0"),
        (np.zeros((5, 3)), np.full((2, 3), np.inf), r"centroids.*finite"),
    ],
    ids=["columns", "rank", "no_centroids", "nan_rows", "inf_centroids"],
)
def test_assign_errors(embeddings, centroids, words):
    with pytest.raises(ValueError, match=words):
        ally_fast.assign(embeddings, centroids)


# Quality


def test_inertia_is_near_that_of_sklearn_on_digits(rng):
    datasets = pytest.importorskip("sklearn.datasets", reason="needs scikit-learn")
    cluster = pytest.importorskip("sklearn.cluster", reason="needs scikit-learn")
    rows = datasets.load_digits().data.astype(np.float32)
    ours, theirs = [], []
    for seed in range(5):
        ours.append(inertia_of(rows, ally_fast.kmeans(rows, 40, seed=seed).centroids))
        fitted = cluster.KMeans(40, n_init=1, max_iter=25, random_state=seed).fit(rows)
        theirs.append(inertia_of(rows, fitted.cluster_centers_))
    assert np.mean(ours) <= 1.01 * np.mean(theirs)


@pytest.mark.parametrize("k", [50, 150], ids="k={}".format)
def test_inertia_is_near_that_of_sklearn_on_real_sentences(k, sentences):
    cluster = pytest.importorskip("sklearn.cluster", reason="needs scikit-learn")
    rows = sentences[:40_000]
    ours, theirs = [], []
    for seed in range(4):
        result = ally_fast.kmeans(rows, k, seed=seed)
        assert result.train_rows == 256 * k
        ours.append(inertia_of(rows, result.centroids))
        fitted = cluster.KMeans(k, n_init=1, max_iter=25, random_state=seed).fit(rows)
        theirs.append(fitted.inertia_)
    assert np.mean(ours) <= 1.01 * np.mean(theirs)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_given_centroids_are_a_start(metric, dtype):
    rows = (np.random.default_rng(0).standard_normal((3000, 8)) + 5).astype(dtype)
    first = ally_fast.kmeans(rows, 20, metric=metric)
    again = ally_fast.kmeans(rows, 20, metric=metric, init=first.centroids)
    assert again.inertia <= first.inertia * 1.02
    start = first.centroids.copy()
    ally_fast.kmeans(rows, 20, metric=metric, init=start)
    np.testing.assert_array_equal(start, first.centroids)  # not written into


@pytest.mark.parametrize("engine", ["faiss", "sklearn"])
def test_other_engines_start_there_too(engine):
    pytest.importorskip(engine)
    rows = np.random.default_rng(0).standard_normal((3000, 8)).astype(np.float32)
    first = ally_fast.kmeans(rows, 20)
    again = ally_fast.kmeans(rows, 20, init=first.centroids, engine=engine, max_iter=1)
    assert again.inertia <= first.inertia * 1.0001


@pytest.mark.parametrize("shape", [(19, 8), (20, 7), (20,)])
def test_a_start_of_another_shape_is_refused(shape):
    rows = np.random.default_rng(0).standard_normal((3000, 8))
    with pytest.raises(ValueError, match=r"^init"):
        ally_fast.kmeans(rows, 20, init=np.zeros(shape))
