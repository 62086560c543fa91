"""The assignment is the float64 argmin, whichever path ran."""

import numpy as np
import pytest
import reference
from cases import DTYPES, HARD_POOLS, LAYOUTS, RUNNABLE_ISAS, hard_pool, lay_out, tables
from hypothesis import given
from hypothesis import strategies as st

from ally_fast import _cpu

SHAPES = [
    (1, 1, 1),
    (3, 2, 1),
    (15, 15, 7),
    (16, 16, 8),
    (17, 17, 9),
    (63, 31, 31),
    (64, 32, 32),
    (65, 33, 33),
    (127, 48, 63),
    (129, 64, 65),
    (200, 65, 100),
    (70, 130, 129),
    (40, 257, 300),
    (9, 5, 1030),
]


def run(rows, centroids, isa, *, normalize=False, positions=None, threads=2, **options):
    """Assign through the native module; a row left out would show as -1."""
    table = _cpu.PackedPoints(np.ascontiguousarray(centroids), isa)
    out = np.full(len(rows) if positions is None else len(positions), -1, dtype=np.int32)
    arguments = {"bf16": False, "certify": True, **options}
    stats = _cpu.assign(
        rows, table, out, normalize=normalize, positions=positions, threads=threads, **arguments
    )
    return out, stats


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@given(table=tables(st.integers(0, 80)))
def test_is_the_argmin(isa, table):
    rows, centroids = table
    np.testing.assert_array_equal(run(rows, centroids, isa)[0], reference.assign(rows, centroids))


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@pytest.mark.parametrize("shape", SHAPES, ids="n={0[0]},k={0[1]},d={0[2]}".format)
def test_is_the_argmin_at_the_edges_of_tiles(isa, shape, rng):
    rows, centroids = hard_pool("plain", rng, *shape)
    np.testing.assert_array_equal(run(rows, centroids, isa)[0], reference.assign(rows, centroids))


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@pytest.mark.parametrize("d", [3, 16, 37], ids="d={}".format)
@pytest.mark.parametrize("pool", HARD_POOLS)
def test_is_the_argmin_on_hard_pools(isa, d, pool, rng):
    rows, centroids = hard_pool(pool, rng, 300, 40, d)
    np.testing.assert_array_equal(run(rows, centroids, isa)[0], reference.assign(rows, centroids))


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@pytest.mark.parametrize(
    "shape",
    [(70, 5000, 6), (5, 3, 20_000), (200, 1300, 300)],
    ids=["k=5000", "d=20000", "k=1300,d=300"],
)
@pytest.mark.parametrize("pool", ["plain", "near_duplicates", "repeated_centroids"])
def test_many_centroids_and_many_features(isa, pool, shape, rng):
    """The last shape has a table of several slices, and several blocks of rows."""
    rows, centroids = hard_pool(pool, rng, *shape)
    np.testing.assert_array_equal(run(rows, centroids, isa)[0], reference.assign(rows, centroids))


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids="dtype={}".format)
def test_any_strides(isa, layout, dtype, rng):
    rows, centroids = hard_pool("plain", rng, 150, 20, 19)
    rows = rows.astype(dtype)
    expected = reference.assign(rows, centroids)
    np.testing.assert_array_equal(run(lay_out(rows, layout), centroids, isa)[0], expected)


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
def test_features_terabytes_apart(isa):
    """What lies between them is no part of the rows: nobody may walk through it."""
    values = np.arange(300, dtype=np.float32)
    rows = np.lib.stride_tricks.as_strided(values, shape=(300, 1), strides=(4, 2**44))
    centroids = np.array([[7.0], [120.0]], np.float32)
    assignments, _ = run(rows, centroids, isa)
    np.testing.assert_array_equal(assignments, (values > 63.5).astype(np.int32))


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_bfloat16(isa, layout, rng):
    rows, centroids = hard_pool("plain", rng, 150, 20, 19)
    bits = (rows.view(np.uint32) >> 16).astype(np.uint16)
    expected = reference.assign(rounded_towards_zero(rows), centroids)
    out, _ = run(lay_out_bits(bits, layout), centroids, isa, bf16=True)
    np.testing.assert_array_equal(out, expected)


def rounded_towards_zero(values):
    """Return float32 values cut to the bits that bfloat16 keeps."""
    return (values.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def lay_out_bits(bits, layout):
    """Lay out bfloat16 bits by way of float16, the same two bytes."""
    return lay_out(bits.view(np.float16), layout).view(np.uint16)


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@pytest.mark.parametrize("dtype", DTYPES, ids="dtype={}".format)
def test_normalized_rows(isa, dtype, rng):
    rows, centroids = hard_pool("plain", rng, 200, 20, 19)
    rows = rows.astype(dtype)
    rows[::7] = 0
    centroids = reference.normalize_rows(centroids)
    np.testing.assert_array_equal(
        run(rows, centroids, isa, normalize=True)[0],
        reference.assign(rows, centroids, normalize=True),
    )


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
def test_positions_pick_the_rows(isa, rng):
    rows, centroids = hard_pool("plain", rng, 300, 20, 19)
    positions = rng.permutation(300)[:170].astype(np.int64)
    rows[np.setdiff1d(np.arange(300), positions)] = np.nan  # never read
    np.testing.assert_array_equal(
        run(rows, centroids, isa, positions=positions)[0],
        reference.assign(rows[positions], centroids),
    )


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@pytest.mark.parametrize("threads", [1, 2, 5], ids="threads={}".format)
def test_any_number_of_threads(isa, threads, rng):
    rows, centroids = hard_pool("near_duplicates", rng, 3000, 33, 20)
    out, _ = run(rows, centroids, isa, threads=threads)
    np.testing.assert_array_equal(out, reference.assign(rows, centroids))


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
def test_the_lowest_centroid_wins_a_tie(isa, rng):
    rows = rng.normal(size=(100, 12)).astype(np.float32)
    centroids = np.tile(rng.normal(size=12).astype(np.float32), (50, 1))
    assert not run(rows, centroids, isa)[0].any()


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids="value={}".format)
@pytest.mark.parametrize("dtype", DTYPES, ids="dtype={}".format)
def test_counts_rows_that_are_not_finite(isa, value, dtype, rng):
    rows, centroids = hard_pool("plain", rng, 200, 5, 19)
    rows = rows.astype(dtype)
    rows[[77, 120, 199], [0, 18, 7]] = value
    _, stats = run(rows, centroids, isa)
    assert stats.nonfinite == 3
    assert stats.first_nonfinite == 77


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
def test_a_row_that_is_not_finite_has_no_cluster(isa, rng):
    rows, centroids = hard_pool("plain", rng, 100, 5, 19)
    expected = reference.assign(rows, centroids)
    rows[33, 18] = np.nan
    expected[33] = -1
    np.testing.assert_array_equal(run(rows, centroids, isa)[0], expected)


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
def test_without_certificate_the_distances_are_nearly_as_small(isa, rng):
    rows, centroids = hard_pool("plain", rng, 2000, 40, 32)
    fast, _ = run(rows, centroids, isa, certify=False)
    exact, stats = run(rows, centroids, isa)
    inertia = [
        reference.paired_squared_distance(rows, centroids, out).sum() for out in (fast, exact)
    ]
    assert inertia[0] <= 1.001 * inertia[1]
    assert 0 <= stats.uncertain <= 2000


def test_real_reviews(reviews, isa):
    rows, centroids = reviews[::50], reviews[::997].astype(np.float32)
    np.testing.assert_array_equal(run(rows, centroids, isa)[0], reference.assign(rows, centroids))


def test_real_connections(connections, isa):
    rows, centroids = connections[::250], connections[::4999]
    np.testing.assert_array_equal(run(rows, centroids, isa)[0], reference.assign(rows, centroids))


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@pytest.mark.parametrize("dtype", DTYPES, ids="dtype={}".format)
def test_centroids_whose_mean_float32_does_not_hold(isa, dtype, rng):
    """Rows of any type are then centred in float64."""
    rows, centroids = hard_pool("plain", rng, 300, 40, 19)
    rows = (rows + 4096).astype(dtype)
    centroids = centroids.astype(np.float64) * 2.0**-20 + 4096 + 2.0**-13
    np.testing.assert_array_equal(run(rows, centroids, isa)[0], reference.assign(rows, centroids))


def test_a_large_offset_leaves_few_rows_uncertain(rng):
    """The table is centred in float64, so that the offset does not widen the error bounds."""
    rows, centroids = hard_pool("plain", rng, 2000, 40, 64)
    rows, centroids = rows.astype(np.float64), centroids.astype(np.float64)
    isa = RUNNABLE_ISAS[0]
    near = run(rows, centroids, isa)[1].uncertain
    assert run(rows + 1e9, centroids + 1e9, isa)[1].uncertain <= near + 40


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@pytest.mark.parametrize("d", [1, 19], ids="d={}".format)
@pytest.mark.parametrize("spread", [149, 127, 126, 119, -121, -140], ids="2**{}".format)
def test_centroids_spread_beyond_the_exponents_of_float32(isa, spread, d, rng):
    """The scale that brings them near 1 is 0, infinite or inexact in float32."""
    rows = np.ldexp(rng.normal(size=(100, d)), min(spread, 120)).astype(np.float32)
    rows[0] = np.float32(3.4e38)
    size = np.ldexp(1.0, spread)
    centroids = np.concatenate([[-size, size, 3.4e38, -1e38] * np.ones((d, 1)), rows[7:40].T], 1).T
    centroids = np.ascontiguousarray(centroids, np.float64)
    np.testing.assert_array_equal(run(rows, centroids, isa)[0], reference.assign(rows, centroids))


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@pytest.mark.parametrize("certify", [True, False], ids="certify={}".format)
def test_a_row_whose_low_precision_scores_all_overflow(isa, certify):
    """Padding has then the lowest score, and is no centroid."""
    rows = np.full((70, 19), 3.3e38, np.float32)
    blocks = np.array([[-1, 1, 1], [0.5, -1, 0], [0.5, 0, -1]], np.float32)
    centroids = np.repeat(blocks, [5, 7, 7], axis=1)
    found, _ = run(rows, centroids, isa, certify=certify)
    if certify:
        np.testing.assert_array_equal(found, reference.assign(rows, centroids))
    assert ((found >= 0) & (found < 3)).all()


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
def test_a_row_whose_distances_all_overflow_gets_no_centroid(isa, rng):
    rows, centroids = hard_pool("plain", rng, 100, 9, 5)
    rows = rows.astype(np.float64)
    rows[[3, 70], 2] = 1e200, -1e300
    found, stats = run(rows, centroids, isa)
    expected = reference.assign(rows, centroids)
    expected[[3, 70]] = -1
    np.testing.assert_array_equal(found, expected)
    assert (stats.nonfinite, stats.first_nonfinite) == (2, 3)


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@pytest.mark.parametrize("power", [-1070, -600, 500, 1015], ids="2**{}".format)
def test_cosine_where_squares_overflow_or_vanish(isa, power, rng):
    rows, centroids = hard_pool("plain", rng, 200, 12, 19)
    far = np.ldexp(rows.astype(np.float64), power)
    centroids = reference.normalize_rows(centroids)
    found, stats = run(far, centroids, isa, normalize=True)
    np.testing.assert_array_equal(found, reference.assign(far, centroids, normalize=True))
    assert stats.nonfinite == 0
    if power > -1000:  # else digits are lost already
        assert (found == run(rows, centroids, isa, normalize=True)[0]).all()
