"""In seconds: does a device do what all the rest is built on? The first tests on a new machine."""

import numpy as np
import pytest
from cuda_arrays import need_hopper, put

pytestmark = pytest.mark.gpu

RING_BYTES = 64 << 20


def is_emulated():
    from ally_fast import _cuda

    return _cuda.devices()[0]["name"].startswith("emulated")


def test_the_device_is_known():
    from ally_fast import _cuda

    facts = _cuda.devices()[0]
    assert facts["compute_capability"] >= (8, 0)
    assert facts["multiprocessors"] >= 1
    free, total = _cuda.memory_info(0)
    assert 0 < free <= total == facts["total_memory_bytes"]


def test_memory_from_the_pool_comes_and_goes(stream):
    from ally_fast import _cuda

    for _ in range(20):
        array = _cuda.DeviceArray.empty((1 << 20,), np.uint8, stream)
        array.fill(7)
        assert (array[-9:].to_host() == 7).all()


def test_a_source_may_be_overwritten(stream):
    source = np.arange(1 << 20, dtype=np.float64)
    array = put(source, stream)
    source[:] = -1
    np.testing.assert_array_equal(array.to_host(), np.arange(1 << 20))


def test_nine_uploads_through_three_buffers(stream):
    from ally_fast import _cuda

    count = (RING_BYTES if not is_emulated() else 1 << 20) // 4
    ring = _cuda.UploadRing(stream, 4 * count, 3)
    part = np.empty(count, np.float32)
    for number in range(9):
        part[:] = number
        uploaded = ring.upload(part, threads=4)
        ends = [uploaded[at : at + 100].take() for at in (0, count // 2, count - 100)]
        part[:] = -1
        assert all((end.to_host() == number).all() for end in ends)


@pytest.mark.parametrize("kernel", ["portable", "sm90a"])
def test_a_tiny_scan(kernel, stream, rng):
    """Of the sm90a kernel the first use of a tensor map, the copy engine and wgmma."""
    from ally_fast import _cuda

    if kernel == "sm90a":
        need_hopper()
    rows = rng.normal(size=(300, 70)).astype(np.float32)
    centroids = rng.normal(size=(150, 70)).astype(np.float32)
    out = put(np.full(300, -7, np.int32), stream)
    stats = put(np.array([0, 0, 0, -1]), stream)
    table = _cuda.PackedPoints(put(centroids, stream))
    _cuda.assign(put(rows, stream), table, out, stats, kernel=kernel)
    distances = ((rows[:, None].astype(np.float64) - centroids) ** 2).sum(2)
    np.testing.assert_array_equal(out.to_host(), distances.argmin(1))


def test_a_tiny_selection(rng):
    import ally_fast

    rows = rng.normal(size=(200, 4)).astype(np.float32)
    arguments = rows, rows[:, 0], 20, 5
    expected = ally_fast.select(*arguments, max_iter=1)
    found = ally_fast.select(*arguments, max_iter=1, device="cuda")
    np.testing.assert_array_equal(found, expected)
