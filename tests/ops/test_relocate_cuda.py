"""Relocation on the GPU: the moves of the CPU, and bit for bit what they leave."""

import numpy as np
import pytest
from clusterings import CASES, assert_same, clustering, clustering_of, copied, twin
from cuda_arrays import put

from ally_fast import _cpu
from ally_fast.cluster.relocation import one_round as relocate
from ally_fast.memory import to_host
from ally_fast.ops.halve import halve, unhalved

pytestmark = pytest.mark.gpu


def check(given, stream, rounds=2):
    """Relocate and halve in turns, here and there; return the gain of each round."""
    halves = unhalved(given)
    halve(given, halves)
    there, halves_there = twin(given, stream), twin(halves, stream)
    given, gains = copied(given), []
    for bit in range(rounds):
        bit %= (len(given.centroids) - 1).bit_length()
        gains.append(relocate(given, halves, bit))
        assert relocate(there, halves_there, bit) == gains[-1]
        assert_same(there, given)
        assert_same(halves_there, halves)
        halve(given, halves)
        halve(there, halves_there)
        assert_same(halves_there, halves)
    return gains


@pytest.mark.parametrize("case", [case for case in CASES if case != "one row"])
def test_is_the_cpu(case, stream, rng):
    check(clustering_of(case, rng), stream)


def test_clusters_are_merged_and_split(stream, rng):
    """Two clusters share a clump, one holds two: one move mends it, the next finds none."""
    centres = rng.normal(size=(4, 10)) * 100
    clump = rng.integers(0, 4, size=300)
    rows = centres[clump] + rng.normal(size=(300, 10))
    clusters = np.where(clump == 3, 2, clump)
    clusters[(clump == 0) & (rng.random(300) < 0.5)] = 3
    first, second = check(clustering(rows, clusters, 4), stream)
    assert first > 0
    assert second < first / 100


@pytest.mark.parametrize("seed", range(20))
def test_ties_and_corners(seed, stream):
    """On a grid costs and gains tie; some clusters are empty."""
    rng = np.random.default_rng(seed)
    t, k, d = rng.integers(2, 150), rng.integers(2, 40), rng.integers(1, 12)
    rows = rng.integers(-1, 2, size=(t, d)) if seed % 2 else rng.normal(size=(t, d))
    check(clustering(rows, rng.integers(0, k, size=t), k), stream, rounds=4)


def arguments_of(given, halves, nearest, bit):
    return (
        given.assignments,
        given.centroids,
        given.sums.sums,
        given.sums.counts,
        given.grid.values,
        *nearest,
        bit,
        halves.stale,
        halves.centroids,
        halves.sums.sums,
        halves.sums.counts,
        halves.gains,
        halves.sides,
    )


def test_more_than_shared_memory_holds(stream, rng):
    """Sorts of many tiles, and a plan that is made in device memory."""
    from ally_fast import _cuda

    k = 9000
    given = clustering(rng.normal(size=(2 * k, 2)), rng.permutation(2 * k) % k, k)
    halves = unhalved(given)
    halve(given, halves)
    nearest = [rng.integers(0, k // 2, size=k // 2).astype(np.int32) for _ in range(2)]
    nearest_there = [put(array, stream) for array in nearest]
    there, halves_there = twin(given, stream), twin(halves, stream)
    gained = put(np.zeros(1), stream)
    _cuda.relocate(*arguments_of(there, halves_there, nearest_there, 0), gained)
    expected = _cpu.relocate(*arguments_of(given, halves, nearest, 0))
    assert expected > 0
    assert halves.stale.sum() > 900
    assert to_host(gained)[0] == expected
    assert_same(there, given)
    assert_same(halves_there, halves)


def test_empty_clusters_cost_nothing_whatever_their_centroids(stream, rng):
    from ally_fast import _cuda

    given = clustering(rng.normal(size=(80, 3)), np.arange(80) % 3, 6)
    given.centroids[3:] = [[np.nan] * 3, [np.inf] * 3, [3e38] * 3]
    halves = unhalved(given)
    halve(given, halves)
    there, halves_there = twin(given, stream), twin(halves, stream)
    nearest = [np.array(places, np.int32) for places in ([0, 0, 1], [0, 1, 1])]
    nearest_there = [put(array, stream) for array in nearest]
    gained = put(np.zeros(1), stream)
    expected = _cpu.relocate(*arguments_of(given, halves, nearest, 0))
    _cuda.relocate(*arguments_of(there, halves_there, nearest_there, 0), gained)
    assert to_host(gained)[0] == expected > 0
    assert_same(there, given)


def test_a_device_with_too_little_shared_memory(stream, rng, monkeypatch):
    """A tile of the sorts takes 32 KiB of a block."""
    from ally_fast import _cuda

    if not _cuda.devices()[0]["name"].startswith("emulated"):
        pytest.skip("needs a device that can be given less")
    given = clustering(rng.normal(size=(9, 2)), np.arange(9) % 3, 3)
    halves = twin(unhalved(given), stream)
    given = twin(given, stream)
    monkeypatch.setenv("ALLY_FAST_EMULATED_SHARED_BYTES", "16384")
    words = r"relocate: a block needs 32768 bytes of shared memory.*cuda:0 has 16384$"
    with pytest.raises(RuntimeError, match=words):
        _cuda.relocate(
            *arguments_of(given, halves, [put(np.zeros(n, np.int32), stream) for n in (2, 1)], 0),
            put(np.zeros(1), stream),
        )


def test_errors(stream, rng):
    from ally_fast import _cuda

    given = clustering(rng.normal(size=(9, 2)), np.arange(9) % 3, 3)
    halves = twin(unhalved(given), stream)
    given = twin(given, stream)
    nearest = [put(np.zeros(count, np.int32), stream) for count in (2, 1)]
    gained = put(np.zeros(1), stream)
    right = arguments_of(given, halves, nearest, 0)
    _cuda.relocate(*right, gained)
    for bit in (-1, 2, 40):
        with pytest.raises(ValueError, match=rf"bit: got {bit}, needs .* k = 3"):
            _cuda.relocate(*arguments_of(given, halves, nearest, bit), gained)
    with pytest.raises(ValueError, match=r"nearest_of_zeros.*\(1,\).*\(2,\)"):
        _cuda.relocate(*arguments_of(given, halves, nearest[::-1], 0), gained)
    with pytest.raises(ValueError, match=r"sides.*\(9,\).*\(8,\)"):
        _cuda.relocate(given.assignments[:8], *right[1:], gained)
    with pytest.raises(ValueError, match=r"at least 2"):
        _cuda.relocate(right[0], given.centroids[:1], *right[2:], gained)
