"""The GPU's assignment is the CPU's, whatever the rows."""

import numpy as np
import pytest
import reference
from cases import DTYPES, HARD_POOLS, LAYOUTS, hard_pool, lay_out
from cuda_arrays import need_hopper, put, put_view

from ally_fast import _cpu, _settings

pytestmark = pytest.mark.gpu

ISA = _cpu.isas()[0]


@pytest.fixture(autouse=True, params=["portable", "sm90a"])
def _kernel(request, monkeypatch):
    """Let every test run with each kernel of the scan."""
    if request.param == "sm90a":
        need_hopper()
    monkeypatch.setenv("ALLY_FAST_CUDA_KERNEL", request.param)


def on_host(rows, centroids, *, mask=None, **options):
    table = _cpu.PackedPoints(np.ascontiguousarray(centroids), ISA)
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

    table = _cuda.PackedPoints(put(centroids, stream))
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


KINDS = ("float16", "bfloat16")


def short(rows, kind, lead=0, spare=0):
    """Return 16-bit rows, `lead` features behind and `spare` before others; how to pass them."""
    n, d = rows.shape
    held = np.full((n, lead + d + spare), 0x7FC0, np.uint16)  # NaN as either kind
    view = held[:, lead : lead + d]
    with np.errstate(over="ignore"):
        if kind == "bfloat16":
            view[:] = rows.astype(np.float32).view(np.uint32) >> 16
            return view, {"bf16": True}
        view[:] = rows.astype(np.float16).view(np.uint16)
    return view.view(np.float16), {}


def widened(rows, kind):
    """Return what `short` keeps of the rows, as float32."""
    view, _ = short(rows, kind)
    if kind == "float16":
        return view.astype(np.float32)
    return (view.astype(np.uint32) << 16).view(np.float32)


# Where rows begin at multiples of 16 bytes, the Hopper kernel reads them as they lie.
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [8, 64, 72, 128, 256, 264])
@pytest.mark.parametrize(("n", "k"), [(1, 1), (129, 127), (300, 129), (600, 20)])
def test_short_rows_as_they_lie(n, k, d, kind, stream, rng):
    rows, centroids = hard_pool("plain", rng, n, k, d)
    rows, options = short(rows, kind)
    stats = check(rows, centroids, stream, **options)
    assert stats[0] <= 0.3 * n


# So many tiles of rows that a block takes several.
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n", "d"), [(1900, 64), (1900, 136), (1000, 392), (600, 768), (600, 776)])
def test_many_short_rows(n, d, kind, stream, rng):
    rows, centroids = hard_pool("plain", rng, n, 140, d)
    rows, options = short(rows, kind)
    check(rows, centroids, stream, **options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("lead", "spare"), [(8, 0), (0, 8), (1, 7), (0, 1), (3, 0)], ids=str)
def test_short_rows_at_any_address(lead, spare, kind, stream, rng):
    rows, centroids = hard_pool("plain", rng, 300, 20, 64)
    rows, options = short(rows, kind, lead, spare)
    check(rows, centroids, stream, **options)


@pytest.mark.parametrize("order", ["reversed", "every second", "the same row"])
def test_short_rows_in_any_order(order, stream, rng):
    rows, centroids = hard_pool("plain", rng, 300, 20, 64)
    rows, _ = short(rows, "float16")
    view = {
        "reversed": rows[::-1],
        "every second": rows[::2],
        "the same row": np.broadcast_to(rows[7], (300, 64)),
    }[order]
    check(view, centroids, stream)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pool", HARD_POOLS)
def test_short_rows_of_hard_pools(pool, kind, stream, rng):
    rows, centroids = hard_pool(pool, rng, 150, 40, 24)
    rows, options = short(rows, kind)
    check(rows, centroids, stream, **options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spread", [2.0**-24, 2.0**-14, 1e-3, 1.0, 40.0])
@pytest.mark.parametrize("offset", [0.0, 1.0, 30.0, -1000.0, 30000.0])
def test_short_rows_far_from_the_origin(offset, spread, kind, stream, rng):
    values = offset + spread * rng.normal(size=(200, 16))
    centroids = widened(values[rng.permutation(200)[:40]], kind)
    centroids[20:] += np.float32(spread / 8) * rng.normal(size=(20, 16)).astype(np.float32)
    rows, options = short(values, kind)
    check(rows, centroids, stream, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_an_offset_leaves_no_more_rows_uncertain(kind, stream, rng):
    # Centroids far from one another, rows beside them: only rounding could make one uncertain.
    centroids = rng.integers(-8, 9, size=(40, 64)).astype(np.float32)
    values = centroids[rng.integers(0, 40, size=400)] + rng.integers(-1, 2, size=(400, 64))
    for offset in (0, 16, 64):
        rows, options = short(values + offset, kind)
        assert check(rows, centroids + np.float32(offset), stream, **options)[0] == 0


def test_nothing_of_halves_as_they_lie_is_rounded(stream, rng):
    """So fewer are uncertain than of the same rows at odd addresses, which are packed."""
    if _settings.cuda_kernel() != "sm90a":
        pytest.skip("the portable kernel packs all rows")
    rows, centroids = hard_pool("plain", rng, 1000, 200, 16)
    in_place = check(short(rows, "float16")[0], centroids, stream)
    packed = check(short(rows, "float16", 1, 7)[0], centroids, stream)
    assert 0 < in_place[0] < 0.8 * packed[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1e-38, 1e-30, 1e-15, 1e18, 1e30, 3e37])
def test_short_rows_beside_centroids_of_any_size(size, kind, stream, rng):
    """Where scores would overflow or vanish, all rows are measured."""
    centroids = (size * rng.normal(size=(30, 16))).astype(np.float32)
    values = rng.normal(size=(200, 16)).astype(np.float32)
    values[::3] = 0
    values[1::7] = 6e-8
    values[2::7] = 65504
    rows, options = short(values, kind)
    check(rows, centroids, stream, **options)
    check(rows, centroids + np.float32(1), stream, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_short_rows_that_are_all_the_same(kind, stream, rng):
    values = widened(np.tile(rng.normal(size=(1, 32)), (300, 1)), kind)
    near = values[:20] + rng.integers(0, 2, size=(20, 32))
    rows, options = short(values, kind)
    check(rows, np.concatenate([values[:3], near]).astype(np.float32), stream, **options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_short_rows_that_are_not_finite(value, kind, stream, rng):
    values, centroids = hard_pool("plain", rng, 300, 150, 72)
    values[[77, 120, 199, 299], [0, 18, 71, 64]] = value
    rows, options = short(values, kind)
    assert tuple(check(rows, centroids, stream, **options)[2:]) == (4, 77)


@pytest.mark.parametrize("kind", KINDS)
def test_masked_short_rows_take_no_part(kind, stream, rng):
    values, centroids = hard_pool("repeated_centroids", rng, 300, 20, 24)
    mask = (rng.random(300) < 0.5).astype(np.uint8)
    values[np.flatnonzero(mask == 0)[3]] = np.nan
    rows, options = short(values, kind)
    stats = check(rows, centroids, stream, mask=mask, **options)
    assert tuple(stats[2:]) == (0, -1)


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


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("spread", ["one feature", "all features"])
@pytest.mark.parametrize("d", [1, 2, 8])
def test_features_that_are_subnormal_halves(d, spread, dtype, stream):
    """Beside centroids far out; tensor cores align them as 2^-14, a million times too coarsely."""
    values = np.array([0, 2, -2, 2**18, -(2**18)], np.float32)
    shape = np.eye(1, d, dtype=np.float32) if spread == "one feature" else np.ones((1, d))
    for order in ([0, 1, 2, 3, 4], [1, 0, 2, 3, 4], [4, 3, 2, 1, 0]):
        centroids = (values[order, None] * shape).astype(np.float32)
        for size in (1, 1.5, 3):
            rows = (np.array([[size], [-size]]) * shape).astype(dtype)
            check(rows, centroids, stream)
            if dtype == "float16":
                check(rows * np.float16(2**-20), centroids * np.float32(2**-20), stream)
                check(rows * np.float16(2**-20), centroids * np.float32(2**-4), stream)


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
    table = _cuda.PackedPoints(put(centroids, stream))
    out, stats = put(np.empty(100, np.int32), stream), put(np.array([0, 0, 0, -1]), stream)
    for part in (rows[100:], rows[:100]):
        _cuda.assign(put(part, stream), table, out, stats)
    assert tuple(stats.to_host()) == (*whole[:3], 50)


def test_needs_the_rows_stream(stream, rng):
    from ally_fast import _cuda

    other = _cuda.Stream(0)
    table = _cuda.PackedPoints(put(np.zeros((2, 3), np.float32), other))
    rows, out = put(np.zeros((4, 3), np.float32), stream), put(np.zeros(4, np.int32), stream)
    with pytest.raises(ValueError, match="stream"):
        _cuda.assign(rows, table, out, put(np.zeros(4, np.int64), stream))


def test_many_features(stream, rng):
    check(*hard_pool("near_duplicates", rng, 20, 5, 2000), stream)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_little_memory(dtype, stream, rng, monkeypatch):
    """Smaller chunks and lists give the same answers; at some point it is an error."""
    from ally_fast import _cuda

    rows, centroids = hard_pool("repeated_centroids", rng, 700, 20, 64)
    rows = rows.astype(dtype)
    expected, _ = on_host(rows, centroids)
    table = _cuda.PackedPoints(put(centroids, stream))
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
