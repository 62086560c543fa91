"""What no emulator covers: sizes, a real library's streams. Small versions run anywhere."""

import numpy as np
import pytest
from clusterings import assert_same, clustering, twin
from cuda_arrays import need_hopper, put

import ally_fast
from ally_fast.cluster.relocation import one_round as relocate
from ally_fast.ops.cluster_sums import cluster_sums
from ally_fast.ops.feature_grid import feature_grid
from ally_fast.ops.halve import halve, unhalved
from ally_fast.ops.k_center_greedy import k_center_greedy
from ally_fast.rows import Rows

pytestmark = pytest.mark.gpu


def sizes(small, large):
    """Run with small sizes anywhere, with large ones on a real device."""
    mark = pytest.mark.hardware
    return [pytest.param(*small, id="small"), pytest.param(*large, id="large", marks=mark)]


@pytest.mark.parametrize(("t", "d", "k"), sizes((300, 4, 5), (4_000_000, 64, 20_000)))
@pytest.mark.parametrize("share", [0, 0.5], ids=["even", "one_holds_half"])
def test_training_ops(share, t, d, k, stream, rng):
    """The sums of clusters, their halves, and moves, of as many rows as training may have."""
    rows = rng.standard_normal((t, d), dtype=np.float32)
    assignments = np.where(rng.random(t) < share, 3, rng.integers(0, k, size=t))
    given = clustering(rows, assignments, k)
    there = twin(given, stream)
    sums, spread = cluster_sums(
        there.rows, there.assignments, k, there.grid, centroids=there.centroids
    )
    expected, spread_here = cluster_sums(
        given.rows, given.assignments, k, given.grid, centroids=given.centroids
    )
    assert_same(feature_grid(there.rows), given.grid)
    assert_same(sums, expected)
    assert_same(spread, spread_here)
    halves, halves_there = unhalved(given), unhalved(there)
    for bit in range(2):
        halve(given, halves)
        halve(there, halves_there)
        assert_same(halves_there, halves)
        assert relocate(there, halves_there, bit) == relocate(given, halves, bit)
        assert_same(there, given)


@pytest.mark.parametrize(("n", "b"), sizes((400, 60), (200_000, 3000)))
def test_k_center_greedy(n, b, stream, rng):
    rows = rng.normal(size=(n, 32)).astype(np.float32)
    expected = k_center_greedy(Rows(rows), b, first=3)
    found = k_center_greedy(Rows(put(rows, stream)), b, first=3)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours.to_host(), theirs)


@pytest.mark.parametrize(
    ("n", "d", "k", "b", "max_iter"),
    sizes((100, 4, 3, 20, 1), (2_000_000, 128, 1000, 10_000, 10)),
)
@pytest.mark.parametrize("kernel", ["portable", "sm90a"])
def test_select(kernel, n, d, k, b, max_iter, stream, rng, monkeypatch):
    if kernel == "sm90a":
        need_hopper()
    monkeypatch.setenv("ALLY_FAST_CUDA_KERNEL", kernel)
    centres = rng.normal(size=(k, d)).astype(np.float32)
    rows = centres[rng.integers(0, k, size=n)] + rng.standard_normal((n, d), dtype=np.float32)
    scores = rng.random(n)
    expected = ally_fast.select(rows, scores, b, k, max_iter=max_iter)
    on_device = put(rows, stream), put(scores, stream)
    for _ in range(2):
        found = ally_fast.select(*on_device, b, k, max_iter=max_iter)
        np.testing.assert_array_equal(found.to_host(), expected)


@pytest.mark.parametrize("n", sizes([1000], [(1 << 31) // 128 + 1000]))
def test_more_elements_than_32_bits_count(n, stream, rng):
    """The last rows lie beyond 2^31 elements; they are those of a small matrix, repeated."""
    from ally_fast import _cuda
    from ally_fast.ops.assign import assign_on_device, device_stats, packed_points

    pattern = rng.normal(size=(1000, 128)).astype(np.float16)
    centroids = rng.normal(size=(20, 128)).astype(np.float32)
    turns = -(-n // 1000)
    whole = put(pattern, stream).take(put(np.tile(np.arange(1000), turns)[:n], stream))
    out = _cuda.DeviceArray.empty((n,), np.int32, stream)
    table = packed_points(put(centroids, stream))
    assign_on_device(Rows(whole), table, device_stats(stream), out=out)
    expected = ally_fast.assign(pattern.astype(np.float32), centroids)
    np.testing.assert_array_equal(out.to_host(), np.tile(expected, turns)[:n])


@pytest.mark.hardware
def test_torch_on_a_side_stream(rng):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this torch sees no GPU")
    rows = rng.normal(size=(200_000, 64)).astype(np.float32)
    scores = rng.random(200_000)
    expected = ally_fast.select(rows, scores, 500, 50)
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        late = torch.empty(200_000, 64, device="cuda")
        square = torch.randn(4096, 4096, device="cuda")
        for _ in range(50):  # work in front of the rows
            square = square @ square / 64
        late.copy_(torch.from_numpy(rows))
        found = ally_fast.select(late, torch.from_numpy(scores).cuda(), 500, 50)
    np.testing.assert_array_equal(found.cpu(), expected)


@pytest.mark.hardware
def test_jax_rows_still_being_computed(rng):
    jax = pytest.importorskip("jax")
    if not any(device.platform == "gpu" for device in jax.devices()):
        pytest.skip("this jax sees no GPU")
    rows = rng.integers(-8, 9, size=(100_000, 64)).astype(np.float32)
    expected = ally_fast.select(rows, rows[:, 0], 300, 20)

    @jax.jit
    def late(x, square):
        square = jax.lax.fori_loop(0, 200, lambda _, s: s @ s / 64, square)
        return x + 0 * square[0, 0]

    given = jax.numpy.asarray(rows), jax.numpy.ones((4096, 4096)) / 64
    late(*given).block_until_ready()  # compiled
    found = ally_fast.select(late(*given), rows[:, 0], 300, 20)
    np.testing.assert_array_equal(np.asarray(found), expected)
