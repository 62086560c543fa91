"""Relocation on the GPU: bit for bit the centroids of the CPU."""

import numpy as np
import pytest

from ally_fast import _cpu, reference

pytestmark = pytest.mark.gpu


def near_lists(centroids, length):
    """Return each centroid's nearest ones, as `nearest_lists` does."""
    distances = reference.squared_distance(centroids, centroids)
    np.fill_diagonal(distances, -1)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :length]
    return np.sort(nearest, axis=1).astype(np.int32)


def relocate(stream, centroids, counts, spread, lists, moves):
    from ally_fast import _cuda

    def put(array):
        return _cuda.DeviceArray.from_host(np.ascontiguousarray(array), stream)

    moved = put(np.full(centroids.shape, np.nan, np.float32))
    _cuda.relocate(put(centroids), put(counts), put(spread), put(lists), moves, moved)
    return moved.to_host()


def check(stream, *arguments):
    expected = _cpu.relocate(*arguments, 2)
    np.testing.assert_array_equal(relocate(stream, *arguments), expected)
    return int((arguments[0] != expected).any(axis=1).sum())


@pytest.mark.parametrize("moves", [0, 1, 7, 200], ids="moves={}".format)
def test_is_the_cpu(moves, stream, rng):
    centroids = rng.normal(size=(90, 17)).astype(np.float32)
    counts = rng.integers(0, 300, size=90)
    spread = rng.exponential(size=90) * counts * 10
    changed = check(stream, centroids, counts, spread, near_lists(centroids, 12), moves)
    assert (changed > 0) == (moves > 0)


@pytest.mark.parametrize("seed", range(25))
def test_ties_and_corners(seed, stream):
    """On a grid, with few different counts and spreads, costs and spreads tie."""
    rng = np.random.default_rng(seed)
    k, d = rng.integers(1, 40), rng.integers(1, 20)
    centroids = rng.integers(-1, 2, size=(k, d)) if seed % 2 else rng.normal(size=(k, d))
    centroids = centroids.astype(np.float32)
    lists = near_lists(centroids, rng.integers(1, k + 1))
    spread = rng.integers(0, 4, size=k) * 10.0
    check(stream, centroids, rng.integers(0, 3, size=k), spread, lists, int(rng.integers(0, 50)))


def test_more_than_shared_memory_holds(stream, rng):
    """Sorts of many tiles, and a plan that is made in device memory."""
    k = 9000
    centroids = rng.normal(size=(k, 2)).astype(np.float32)
    lists = np.stack([np.arange(k), rng.permutation(k)], axis=1).astype(np.int32)
    counts = rng.integers(1, 50, size=k)
    assert check(stream, centroids, counts, rng.exponential(size=k) * 100, lists, 400) > 400


@pytest.mark.parametrize("scale", [1e18, 1e-30, 1e-42])
def test_extreme_values(scale, stream, rng):
    centroids = (rng.normal(size=(60, 9)) * scale).astype(np.float32)
    spread = rng.exponential(size=60) * scale * scale * 1000
    check(stream, centroids, rng.integers(0, 9, size=60), spread, near_lists(centroids, 8), 20)


def test_errors(stream):
    centroids, counts = np.zeros((3, 2), np.float32), np.ones(3, np.int64)
    spread, lists = np.ones(3), np.zeros((3, 1), np.int32)
    with pytest.raises(ValueError, match=r"counts, spread.*3"):
        relocate(stream, centroids, counts[:2], spread, lists, 1)
    with pytest.raises(ValueError, match=r"lists.*\(2, 1\).*k = 3"):
        relocate(stream, centroids, counts, spread, lists[:2], 1)
    with pytest.raises(ValueError, match=r"moves.*-1"):
        relocate(stream, centroids, counts, spread, lists, -1)
