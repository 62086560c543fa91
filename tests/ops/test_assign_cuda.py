"""The GPU's assignment is the CPU's, whatever the rows."""

import numpy as np
import pytest
from cases import DTYPES, HARD_POOLS, LAYOUTS, hard_pool, lay_out
from cuda_arrays import need_hopper, put, put_view

from ally_fast import _cpu, _settings, reference

pytestmark = pytest.mark.gpu

ISA = _cpu.isas()[0]


@pytest.fixture(autouse=True, params=["portable", "sm90a"])
def _kernel(request, monkeypatch):
    """Let every test run with each kernel of the scan."""
    if request.param == "sm90a":
        need_hopper()
    monkeypatch.setenv("ALLY_FAST_CUDA_KERNEL", request.param)


def on_host(rows, centroids, *, mask=None, **options):
    table = _cpu.CentroidTable(np.ascontiguousarray(centroids), ISA)
    count = len(rows) if options.get("positions") is None else len(options["positions"])
    out = np.empty(count, np.int32)
    stats = _cpu.assign(
        rows, table, out, **{"bf16": False, "normalize": False, "positions": None, **options}
    )
    if mask is not None:
        out[mask == 0] = -1
    return out, stats


def on_device(rows, centroids, stream, *, positions=None, mask=None, **options):
    from ally_fast import _cuda

    table = _cuda.CentroidTable(put(centroids, stream))
    count = len(rows) if positions is None else len(positions)
    out = put(np.full(count, -7, np.int32), stream)
    stats = put(np.array([0, 0, 0, -1], np.int64), stream)
    _cuda.assign(
        put_view(rows, stream),
        table,
        out,
        stats,
        positions=None if positions is None else put(positions, stream),
        mask=None if mask is None else put(mask, stream),
        **{"kernel": _settings.cuda_kernel(), **options},
    )
    return out.to_host(), stats.to_host()


def check(rows, centroids, stream, **options):
    """Compare with the CPU; return the statistics."""
    expected, host = on_host(rows, centroids, **options)
    found, stats = on_device(rows, centroids, stream, **options)
    np.testing.assert_array_equal(found, expected)
    if options.get("mask") is None:
        assert tuple(stats[2:]) == (host.nonfinite, host.first_nonfinite)
    assert 0 <= stats[0] <= len(found)
    assert stats[1] >= stats[0]
    return stats


@pytest.mark.parametrize("k", [1, 2, 127, 129, 300])
@pytest.mark.parametrize("shape", [(1, 1), (31, 17), (129, 64), (1023, 128), (140, 200)], ids=str)
def test_is_the_cpu(shape, k, stream, rng):
    n, d = shape
    rows, centroids = hard_pool("plain", rng, n, k, d)
    stats = check(rows, centroids, stream)
    assert d < 17 or stats[0] <= 0.3 * n


@pytest.mark.parametrize("pool", HARD_POOLS)
def test_is_the_cpu_on_hard_pools(pool, stream, rng):
    check(*hard_pool(pool, rng, 150, 40, 19), stream)


@pytest.mark.parametrize("normalize", [False, True], ids=["plain", "cosine"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("d", [5, 64])
def test_any_dtype(d, dtype, normalize, stream, rng):
    rows, centroids = hard_pool("plain", rng, 130, 20, d)
    rows = rows.astype(dtype)
    rows[::7] = 0
    if normalize:
        centroids = reference.normalize_rows(centroids)
    check(rows, centroids, stream, normalize=normalize)


def test_bfloat16(stream, rng):
    rows, centroids = hard_pool("plain", rng, 100, 20, 19)
    check((rows.view(np.uint32) >> 16).astype(np.uint16), centroids, stream, bf16=True)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_strides(layout, stream, rng):
    rows, centroids = hard_pool("plain", rng, 70, 20, 11)
    check(lay_out(rows, layout), centroids, stream)


def test_float64_centroids(stream, rng):
    rows, centroids = hard_pool("below_float32", rng, 100, 20, 11)
    check(rows, centroids + 1e-12 * rng.normal(size=centroids.shape), stream)


def test_the_lowest_centroid_wins_a_tie(stream, rng):
    rows = rng.integers(-1, 2, size=(300, 6)).astype(np.float32)
    centroids = rng.integers(-1, 2, size=(260, 6)).astype(np.float32)
    stats = check(rows, centroids, stream)
    assert stats[0] > 100


def test_every_centroid_the_same(stream, rng):
    rows = rng.normal(size=(200, 12)).astype(np.float32)
    centroids = np.tile(rng.normal(size=12).astype(np.float32), (150, 1))
    stats = check(rows, centroids, stream)
    assert tuple(stats) == (200, 200 * 150, 0, -1)


@pytest.mark.parametrize("spread", ["one feature", "all features"])
@pytest.mark.parametrize("d", [1, 2, 8])
def test_features_that_are_subnormal_halves(d, spread, stream):
    """Beside centroids far out; tensor cores align them as 2^-14, a million times too coarsely."""
    values = np.array([0, 2, -2, 2**18, -(2**18)], np.float32)
    shape = np.eye(1, d, dtype=np.float32) if spread == "one feature" else np.ones((1, d))
    for order in ([0, 1, 2, 3, 4], [1, 0, 2, 3, 4], [4, 3, 2, 1, 0]):
        centroids = (values[order, None] * shape).astype(np.float32)
        for size in (1, 1.5, 3):
            rows = (np.array([[size], [-size]]) * shape).astype(np.float32)
            check(rows, centroids, stream)


def test_rows_beyond_float16(stream, rng):
    rows, centroids = hard_pool("plain", rng, 200, 30, 10)
    rows[::9] *= np.float32(1e9)
    rows[5] *= np.float32(1e25)
    stats = check(rows, centroids, stream)
    assert stats[1] >= 23 * 30


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_that_are_not_finite(value, dtype, stream, rng):
    rows, centroids = hard_pool("plain", rng, 200, 5, 19)
    rows = rows.astype(dtype)
    rows[[77, 120, 199], [0, 18, 7]] = value
    assert tuple(check(rows, centroids, stream)[2:]) == (3, 77)


def test_positions_pick_the_rows(stream, rng):
    rows, centroids = hard_pool("plain", rng, 300, 20, 19)
    positions = rng.permutation(300)[:170].astype(np.int64)
    rows[np.setdiff1d(np.arange(300), positions)] = np.nan
    rows[positions[40]] = np.nan
    assert tuple(check(rows, centroids, stream, positions=positions)[2:]) == (1, 40)


def test_masked_rows_take_no_part(stream, rng):
    rows, centroids = hard_pool("repeated_centroids", rng, 300, 20, 19)
    mask = (rng.random(300) < 0.5).astype(np.uint8)
    rows[np.flatnonzero(mask == 0)[3]] = np.nan
    stats = check(rows, centroids, stream, mask=mask)
    assert stats[0] <= mask.sum()
    assert tuple(stats[2:]) == (0, -1)


def test_no_rows(stream):
    stats = check(np.empty((0, 3), np.float32), np.zeros((2, 3), np.float32), stream)
    assert tuple(stats) == (0, 0, 0, -1)


def test_without_certificate_most_are_the_same(stream, rng):
    rows, centroids = hard_pool("plain", rng, 500, 40, 32)
    fast, stats = on_device(rows, centroids, stream, certify=False)
    assert (fast == on_host(rows, centroids)[0]).mean() >= 0.9
    assert tuple(stats) == (0, 0, 0, -1)


def test_statistics_add_up(stream, rng):
    from ally_fast import _cuda

    rows, centroids = hard_pool("repeated_centroids", rng, 200, 20, 19)
    rows[[90, 150], 3] = np.nan
    whole = on_device(rows, centroids, stream)[1]
    table = _cuda.CentroidTable(put(centroids, stream))
    out, stats = put(np.empty(100, np.int32), stream), put(np.array([0, 0, 0, -1]), stream)
    for part in (rows[100:], rows[:100]):
        _cuda.assign(put(part, stream), table, out, stats)
    assert tuple(stats.to_host()) == (*whole[:3], 50)


def test_needs_the_rows_stream(stream, rng):
    from ally_fast import _cuda

    other = _cuda.Stream(0)
    table = _cuda.CentroidTable(put(np.zeros((2, 3), np.float32), other))
    rows, out = put(np.zeros((4, 3), np.float32), stream), put(np.zeros(4, np.int32), stream)
    with pytest.raises(ValueError, match="stream"):
        _cuda.assign(rows, table, out, put(np.zeros(4, np.int64), stream))


def test_many_features(stream, rng):
    check(*hard_pool("near_duplicates", rng, 20, 5, 2000), stream)


def test_little_memory(stream, rng, monkeypatch):
    """Smaller chunks and lists give the same answers; at some point it is an error."""
    from ally_fast import _cuda

    rows, centroids = hard_pool("repeated_centroids", rng, 700, 20, 64)
    expected, _ = on_host(rows, centroids)
    table = _cuda.CentroidTable(put(centroids, stream))
    held, out = put(rows, stream), put(np.empty(700, np.int32), stream)
    stats = put(np.array([0, 0, 0, -1]), stream)
    free, total = _cuda.memory_info(0)
    outcomes = []
    for spare in (200_000, 150_000, 100_000, 70_000, 1000):
        monkeypatch.setenv("ALLY_FAST_EMULATED_BYTES", str(total - free + spare))
        try:
            _cuda.assign(held, table, out, stats, kernel=_settings.cuda_kernel())
            np.testing.assert_array_equal(out.to_host(), expected)
            outcomes.append("done")
        except MemoryError:
            outcomes.append("short")
    if _cuda.devices()[0]["name"].startswith("emulated"):
        assert "done" in outcomes[1:]
        assert outcomes[-1] == "short"


def test_names_an_unknown_kernel(stream, monkeypatch):
    rows = np.zeros((3, 2), np.float32)
    with pytest.raises(ValueError, match="kernel: got 'fast', needs 'portable' or 'sm90a'"):
        on_device(rows, rows, stream, kernel="fast")
    monkeypatch.setenv("ALLY_FAST_CUDA_KERNEL", "fast")
    with pytest.raises(ValueError, match="ALLY_FAST_CUDA_KERNEL='fast'"):
        _settings.cuda_kernel()
