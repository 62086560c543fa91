"""An update on the GPU: bit for bit the centroids, counts, spreads and inertia of the CPU."""

import numpy as np
import pytest
from cases import hard_pool

from ally_fast import _cpu

pytestmark = pytest.mark.gpu
SEGMENT = 16384


def update(stream, rows, assignments, centroids, normalize, **options):
    from ally_fast import _cuda

    def put(array):
        return _cuda.DeviceArray.from_host(np.ascontiguousarray(array), stream)

    k = len(centroids)
    out = (
        put(np.full(centroids.shape, np.nan, np.float32)),
        put(np.full(k, -1)),
        put(np.full(k, np.nan)),
        put(np.full(1, np.nan)),
    )
    arrays = put(rows), put(assignments), put(centroids)
    _cuda.centroid_update(*arrays, normalize, *out, **options)
    return [array.to_host() for array in out]


def check(stream, rows, assignments, centroids, normalize=False, **options):
    rows, centroids = rows.astype(np.float32), centroids.astype(np.float32)
    assignments = assignments.astype(np.int32)
    expected = _cpu.centroid_update(rows, assignments, centroids, normalize, 2)
    found = update(stream, rows, assignments, centroids, normalize, **options)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, np.reshape(theirs, ours.shape))


@pytest.mark.parametrize("normalize", [False, True], ids=["plain", "unit"])
@pytest.mark.parametrize(
    ("t", "d", "k"),
    [(1, 1, 1), (50, 7, 3), (1000, 33, 40), (1100, 8, 1100), (700, 100, 9)],
    ids=str,
)
def test_is_the_cpu(t, d, k, normalize, stream, rng):
    rows = rng.normal(size=(t, d)) + 3
    assignments = np.concatenate([rng.permutation(k)[:-9], rng.integers(0, k, size=t)])[:t]
    check(stream, rows, assignments, rng.normal(size=(k, d)) + 3, normalize)


@pytest.mark.parametrize(
    "t", [SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT + 5], ids="t={}".format
)
def test_segments(t, stream, rng):
    rows = rng.normal(size=(t, 3)) * np.logspace(-3, 3, 3)
    check(stream, rows, rng.integers(0, 6, size=t), rng.normal(size=(6, 3)))


def test_one_huge_cluster(stream, rng):
    t = 20_000
    assignments = np.where(rng.random(t) < 0.97, 2, rng.integers(0, 50, size=t))
    check(stream, rng.normal(size=(t, 5)), assignments, rng.normal(size=(50, 5)))
    check(stream, rng.normal(size=(t, 5)), np.zeros(t), rng.normal(size=(1, 5)))


@pytest.mark.parametrize("k", [(1 << 18) - 1, 1 << 18], ids="k={}".format)
def test_very_many_clusters(k, stream, rng):
    """More than rows in a segment; more than short keys can name. None is left to be halved."""
    centroids = rng.integers(0, 9, size=(k, 1))
    assignments = rng.choice(k, size=500)
    assignments[:9] = k - 1
    check(stream, centroids[assignments], assignments, centroids)


def test_clusters_beyond_the_shared_memory_of_a_smaller_gpu(stream, rng, monkeypatch):
    """Keys of eight bytes, from 2^18 clusters on, take 128 KiB of a block."""
    from ally_fast import _cuda

    if not _cuda.devices()[0]["name"].startswith("emulated"):
        pytest.skip("needs a device that can be given less")
    monkeypatch.setenv("ALLY_FAST_EMULATED_SHARED_BYTES", "101376")
    rows = rng.normal(size=(9, 1))
    words = r"centroid_update: a block needs 131072 bytes of shared memory.*cuda:0 has 101376$"
    with pytest.raises(RuntimeError, match=words):
        check(stream, rows, np.arange(9), rng.normal(size=(2**18, 1)))


@pytest.mark.parametrize("segments", [1, 2, 3, 4], ids="segments={}".format)
def test_batches_of_segments(segments, stream, rng):
    """With room for one only, its sums are added to the totals at once."""
    k, d, t = 7, 2, 3 * SEGMENT + 40
    rows, centroids = rng.normal(size=(t, d)), rng.normal(size=(k, d))
    room = segments * k * (d + 1) * 8
    check(stream, rows, rng.integers(0, k, size=t), centroids, workspace_bytes=room)


@pytest.mark.parametrize("pool", ["values_1e18", "values_1e-30", "denormals", "offset_1e6"])
@pytest.mark.parametrize("normalize", [False, True], ids=["plain", "unit"])
def test_extreme_values(pool, normalize, stream, rng):
    rows, centroids = hard_pool(pool, rng, 300, 10, 9)
    assignments = rng.integers(0, len(centroids), size=300)
    check(stream, rows, assignments, centroids, normalize)


@pytest.mark.parametrize("normalize", [False, True], ids=["plain", "unit"])
def test_empty_clusters_halve_others(normalize, stream, rng):
    rows = rng.normal(size=(400, 6))
    assignments = rng.choice([3, 10, 12, 90], size=400)
    check(stream, rows, assignments, rng.normal(size=(110, 6)), normalize)
    # Equal spreads: the lowest index is halved.
    check(stream, np.repeat(rows[:8], 2, axis=0), np.arange(16) // 4, np.zeros((7, 6)), normalize)
    # Copies of a few rows: nothing is left to halve.
    check(stream, np.ones((40, 6)), np.full(40, 5), np.ones((9, 6)), normalize)


def test_no_rows(stream, rng):
    check(stream, np.empty((0, 4)), np.empty(0), rng.normal(size=(3, 4)))


def test_errors(stream):
    rows, centroids = np.zeros((5, 2), np.float32), np.zeros((3, 2), np.float32)
    with pytest.raises(ValueError, match=r"assignments.*\(4,\).*5 rows"):
        update(stream, rows, np.zeros(4, np.int32), centroids, False)
    with pytest.raises(ValueError, match=r"centroids.*\(3, 1\).*d = 2"):
        update(stream, rows, np.zeros(5, np.int32), centroids[:, :1], False)
    with pytest.raises(ValueError, match=r"workspace_bytes.*-1"):
        update(stream, rows, np.zeros(5, np.int32), centroids, False, workspace_bytes=-1)
    with pytest.raises(TypeError, match=r"assignments.*int64"):
        update(stream, rows, np.zeros(5, np.int64), centroids, False)
