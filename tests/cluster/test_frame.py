"""float64 rows keep their digits in float32, or the user is told."""

import warnings

import numpy as np
import pytest

import ally_fast
from ally_fast.cluster.frame import Frame, PrecisionWarning
from ally_fast.cluster.magnitude import LARGEST, SMALLEST
from ally_fast.ops.sample_rows import sample_rows

CLUSTERS = 20


@pytest.fixture
def tight(rng):
    """Return rows of well separated tight clusters, and the cluster of each."""
    truth = rng.integers(0, CLUSTERS, size=1000)
    centers = rng.permutation(CLUSTERS)[:, None] * np.array([3.0, -2.0, 5.0, 1.0])
    return centers[truth] + 0.01 * rng.normal(size=(1000, 4)), truth


def same_clusters(found, truth):
    return len(set(zip(found.tolist(), truth.tolist(), strict=True))) == len(set(truth.tolist()))


@pytest.mark.parametrize("offset", [0.0, 1e9, -1e15], ids="offset={}".format)
@pytest.mark.parametrize("size", [1e-140, 1.0, 1e140], ids="size={}".format)
def test_a_frame_keeps_the_digits_of_float32(offset, size, rng):
    points = (rng.normal(size=(50, 3)) + offset) * size
    frame = Frame.of(points)
    assert np.frexp(frame.scale)[0] == 0.5
    narrow = frame.narrow(points)
    assert 0.5 <= np.abs(narrow).max() <= 1
    np.testing.assert_allclose(frame.widen(narrow), points, rtol=1e-15, atol=2.0**-24 / frame.scale)


@pytest.mark.parametrize("points", [np.zeros((3, 2)), np.full((4, 2), 7e9), np.ones((1, 2))])
def test_a_frame_of_equal_points(points):
    frame = Frame.of(points)
    assert not frame.narrow(points).any()
    np.testing.assert_array_equal(frame.widen(frame.narrow(points)), points)


@pytest.mark.parametrize("engine", ["native", "faiss", "sklearn"])
@pytest.mark.parametrize("offset", [1e7, 1e9, -1e12], ids="offset={}".format)
def test_a_large_common_offset_does_not_blur_the_clusters(offset, engine, tight):
    rows, truth = tight
    pytest.importorskip(engine if engine != "native" else "numpy")
    fit = ally_fast.kmeans(rows, CLUSTERS, engine=engine)
    far, info = ally_fast.select(
        rows + offset, np.zeros(1000), 1000, CLUSTERS, engine=engine, return_info=True
    )
    assert info.centroids.dtype == np.float64
    if engine == "faiss":  # its start misses clusters, not always the same
        assert np.count_nonzero(info.cluster_sizes) > CLUSTERS / 2
        return
    assert same_clusters(info.clusters, truth[far])
    np.testing.assert_allclose(info.inertia, fit.inertia, rtol=1e-2)


def test_millisecond_timestamps(tight):
    rows, truth = tight
    stamps = (rows[:, :1] * 1000).astype(np.int64) + 1_700_000_000_000
    fit = ally_fast.kmeans(stamps, CLUSTERS)
    assert fit.centroids.dtype == np.float64
    assert same_clusters(ally_fast.assign(stamps, fit.centroids), truth)


@pytest.mark.parametrize("factor", [1e155, 1e-163], ids="factor={}".format)
def test_cosine_does_not_depend_on_scale(factor, rng):
    rows, scores = rng.normal(size=(500, 6)), rng.normal(size=500)
    scaled = rows * factor
    near, info = ally_fast.select(rows, scores, 60, 9, metric="cosine", return_info=True)
    far, far_info = ally_fast.select(scaled, scores, 60, 9, metric="cosine", return_info=True)
    assert sorted(far_info.cluster_sizes) == sorted(info.cluster_sizes)
    np.testing.assert_array_equal(far, near)
    again = ally_fast.assign(scaled, scaled[:9], metric="cosine")
    np.testing.assert_array_equal(again, ally_fast.assign(rows, rows[:9], metric="cosine"))


def test_wide_centroids_are_used_again_as_they_are(tight):
    rows = tight[0] + 1e9
    scores = np.arange(1000.0)
    batch, info = ally_fast.select(rows, scores, 50, CLUSTERS, return_info=True)
    again, second = ally_fast.select(
        rows, scores, 50, CLUSTERS, centroids=info.centroids, return_info=True
    )
    np.testing.assert_array_equal(again, batch)
    np.testing.assert_array_equal(second.centroids, info.centroids)
    assert second.centroids.dtype == np.float64
    np.testing.assert_array_equal(
        np.bincount(ally_fast.assign(rows, info.centroids)), info.cluster_sizes
    )


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8", "int16", "uint16"])
def test_narrow_rows_keep_float32_centroids(dtype, rng):
    rows = rng.integers(0, 100, size=(300, 3)).astype(dtype)
    assert ally_fast.kmeans(rows, 5).centroids.dtype == np.float32


@pytest.mark.parametrize("dtype", ["float64", ">f8", "int32", "uint32", "int64", "uint64"])
def test_wide_rows_have_float64_centroids(dtype, rng):
    rows = rng.integers(0, 100, size=(300, 3)).astype(dtype)
    assert ally_fast.kmeans(rows, 5).centroids.dtype == np.float64
    assert ally_fast.kmeans(rows, 5, metric="cosine").centroids.dtype == np.float32


def test_digits_that_are_lost_all_the_same_are_warned_of(tight):
    rows = tight[0].copy()
    rows[::2, 3] += 1e10
    with pytest.warns(ally_fast.PrecisionWarning, match=r"feature 3, which spans 1e\+10"):
        ally_fast.kmeans(rows, 40)


def test_nanosecond_timestamps_closer_than_float64_tells_apart_are_warned_of(rng):
    stamps = rng.integers(0, 1000, size=(500, 1)) + 1_700_000_000_000_000_000
    with pytest.warns(ally_fast.PrecisionWarning, match="feature 0"):
        ally_fast.kmeans(stamps, 20)


def test_no_warning_where_nothing_is_lost(rng):
    rows = rng.normal(size=(40, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ally_fast.kmeans(rows, 40)
        ally_fast.kmeans(np.repeat(rows, 5, axis=0), 40)
        ally_fast.kmeans(rows + 1e9, 7)


@pytest.mark.parametrize("factor", [LARGEST * 2, SMALLEST / 16], ids=["large", "small"])
def test_distances_that_overflow_or_vanish_are_refused(factor, rng):
    rows = rng.uniform(0.5, 1, size=(50, 3)) * factor
    with pytest.raises(ValueError, match=r"^embeddings: the largest value is .* rescale the rows$"):
        ally_fast.kmeans(rows, 5)
    with pytest.raises(ValueError, match=r"^centroids: the largest value is "):
        ally_fast.assign(rows, rows[:5])
    with pytest.raises(ValueError, match=r"^labeled_embeddings: the largest value is "):
        ally_fast.select(np.ones((50, 3)), np.zeros(50), 5, 2, labeled_embeddings=rows, radius=1.0)


@pytest.mark.parametrize("k_means", ["none", "without_the_row", "with_the_row"])
def test_a_row_too_far_out_is_named(k_means, rng):
    rows = rng.normal(size=(500, 3))
    rows[321, 1] = -1e200
    options = {
        "none": {"centroids": rows[:4]},
        "without_the_row": {"train_size": 4},
        "with_the_row": {},
    }[k_means]
    with pytest.raises(ValueError, match=r"^embeddings: the largest value is 1e\+200, in row 321"):
        ally_fast.select(rows, np.zeros(500), 5, 4, **options)
    ally_fast.select(rows, np.zeros(500), 5, 4, exclude=[321], **options)


def test_a_row_that_hides_the_others_is_warned_of(rng):
    rows = rng.normal(size=(500, 3))
    rows[321, 1] = -1e60
    with pytest.warns(ally_fast.PrecisionWarning, match=r"feature 1, which spans 1e\+60"):
        ally_fast.kmeans(rows, 4)


@pytest.mark.parametrize("radius", [0, -1.0, 1e-160, 1e155])
def test_a_radius_whose_square_float64_does_not_hold_is_refused(radius):
    with pytest.raises(ValueError, match="radius: got"):
        ally_fast.select(np.ones((5, 3)), np.zeros(5), 1, 1, radius=radius)


@pytest.mark.parametrize(("far", "warned"), [(1e9, False), (1e15, True)])
def test_a_row_so_far_out_that_sums_grow_coarse_is_told(far, warned):
    rows = np.random.default_rng(0).standard_normal((4000, 6)).astype(np.float32)
    rows[7] = far
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ally_fast.kmeans(rows, 10)
    told = [str(entry.message) for entry in caught if entry.category is PrecisionWarning]
    assert bool(told) == warned
    assert not warned or "rows lie so far from the others" in told[0]


def test_the_steps_told_are_in_the_unit_of_the_pool():
    rows = np.random.default_rng(0).standard_normal((20_000, 6)) * 1e3
    late = sample_rows(len(rows), len(rows), 0)[-1]  # the frame is made of those drawn first
    rows[late] = 1e18
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ally_fast.kmeans(rows, 10, train_size=None)
    (told,) = (text for entry in caught if "in steps of" in (text := str(entry.message)))
    assert 1e3 < float(told.split("in steps of ")[1].split(",")[0]) < 1e6


@pytest.mark.parametrize("rows", [np.ones((50, 3)), np.repeat(np.eye(3), 20, axis=0)], ids=str)
def test_few_distinct_rows_are_no_loss_of_precision(rows):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ally_fast.kmeans(rows.astype(np.float32), 4).inertia == 0
