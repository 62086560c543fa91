"""The shortlist kept on the GPU holds the entries and sizes of the one kept on the CPU."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ally_fast import _cpu

pytestmark = pytest.mark.gpu


def make(stream, k, b, weights, largest_push, tie_seed=None):
    from ally_fast import _cuda

    return _cuda.DeviceShortlist(stream, k, b, weights, tie_seed, largest_push)


def push(shortlist, stream, assignments, scores, first=0, indices=None, bf16=False):
    from ally_fast import _cuda

    def put(array):
        return _cuda.DeviceArray.from_host(np.ascontiguousarray(array), stream)

    shortlist.push(
        put(assignments), put(scores), first, None if indices is None else put(indices), bf16=bf16
    )


def assert_same(found, shortlist):
    for on_device, on_host in zip(found, (*shortlist.entries(), shortlist.sizes), strict=True):
        assert on_device.dtype == on_host.dtype
        np.testing.assert_array_equal(on_device, on_host)


def check(stream, assignments, scores, k, b, weights=None, cuts=(), largest_push=1 << 20):
    """Push a pool in the pieces between `cuts` to both."""
    weights = np.ones(k) if weights is None else weights
    on_device = make(stream, k, b, weights, largest_push)
    on_host = _cpu.Shortlist(k, b, weights)
    cuts = [0, *sorted(cuts), len(scores)]
    for first, last in itertools.pairwise(cuts):
        push(on_device, stream, assignments[first:last], scores[first:last], first)
        on_host.push(assignments[first:last], scores[first:last].astype(np.float64), first, None)
    assert_same(on_device.fetch(), on_host)


@settings(max_examples=12)
@given(data=st.data())
def test_any_small_pool(data):
    from ally_fast import _cuda

    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n, k = data.draw(st.integers(0, 300)), data.draw(st.integers(1, 9))
    assignments = rng.integers(-1, data.draw(st.integers(1, k)), size=n).astype(np.int32)
    scores = rng.integers(0, data.draw(st.sampled_from([1, 3, 1000])), size=n).astype(np.float64)
    check(
        _cuda.Stream(0),
        assignments,
        scores,
        k,
        data.draw(st.integers(0, n)),
        rng.uniform(0.1, 5.0, size=k),
        data.draw(st.lists(st.integers(0, n), max_size=4)),
        data.draw(st.sampled_from([1, 7, 100, 1 << 20])),
    )


@pytest.mark.parametrize("order", ["random", "ascending", "descending", "equal"])
@pytest.mark.parametrize(("k", "b"), [(1, 100), (7, 1000), (300, 30)], ids=str)
def test_many_prunings(order, k, b, stream, rng):
    """Rows that beat all before them fill the buffer again and again."""
    n = 40_000
    assignments = rng.integers(0, k, size=n).astype(np.int32)
    scores = {
        "random": rng.normal(size=n),
        "ascending": np.arange(n, dtype=np.float64),
        "descending": -np.arange(n, dtype=np.float64),
        "equal": np.zeros(n),
    }[order]
    check(stream, assignments, scores, k, b, largest_push=3000)


@pytest.mark.parametrize("largest_push", [1, 2, 1023, 1024, 1025], ids="largest_push={}".format)
def test_cuts_within_a_push(largest_push, stream, rng):
    n = 40 if largest_push < 3 else 14_000
    assignments = rng.integers(0, 5, size=n).astype(np.int32)
    check(stream, assignments, rng.normal(size=n), 5, 20, largest_push=largest_push)


def test_pushes_of_different_sizes(stream, rng):
    n, k = 30_000, 13
    assignments = rng.integers(-1, k, size=n).astype(np.int32)
    cuts = [0, 0, 1, 2, 1026, 1026, 20_000, 29_999]
    check(stream, assignments, rng.normal(size=n), k, 200, cuts=cuts, largest_push=4000)


def test_one_huge_cluster_among_very_many(stream, rng):
    k = 40_000
    assignments = np.where(rng.random(30_000) < 0.9, 17, rng.integers(0, k, size=30_000))
    check(stream, assignments.astype(np.int32), rng.normal(size=30_000), k, 500)


@pytest.mark.parametrize("k", [8192, 8193], ids="k={}".format)
def test_counting_in_shared_memory_or_not(k, stream, rng):
    assignments = rng.integers(-1, k, size=3000).astype(np.int32)
    assignments[:40] = k - 1
    check(stream, assignments, rng.normal(size=3000), k, 100)


def test_weights_of_very_different_sizes(stream, rng):
    k, b, n = 50, 400, 40_000
    assignments = rng.integers(0, k, size=n).astype(np.int32)
    for weights in (np.logspace(0, -40, k), np.logspace(-150, 150, k), np.full(k, 1e-300)):
        check(stream, assignments, rng.normal(size=n), k, b, weights, largest_push=8000)


@pytest.mark.parametrize("pageable", ["0", "1"], ids=["staged", "read by the device"])
def test_weights_may_be_changed_at_once(pageable, stream, rng, monkeypatch):
    """Where devices read pageable memory, a copy from it may be under way after the call."""
    monkeypatch.setenv("ALLY_FAST_EMULATED_PAGEABLE", pageable)
    assignments, scores = rng.integers(0, 30, size=4000).astype(np.int32), rng.normal(size=4000)
    weights = rng.uniform(0.5, 2, size=30)
    on_host = _cpu.Shortlist(30, 300, weights)
    on_device = make(stream, 30, 300, weights, 1000)
    weights[:] = 1e-6
    push(on_device, stream, assignments, scores)
    on_host.push(assignments, scores)
    assert_same(on_device.fetch(), on_host)


def test_fewer_rows_than_b(stream, rng):
    assignments = rng.integers(-1, 3, size=500).astype(np.int32)
    check(stream, assignments, rng.normal(size=500), 3, 1000)
    check(stream, np.full(500, -1, np.int32), rng.normal(size=500), 3, 10)
    check(stream, np.empty(0, np.int32), np.empty(0), 3, 10)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_scores_of_any_dtype(dtype, stream, rng):
    assignments = rng.integers(0, 4, size=3000).astype(np.int32)
    scores = np.concatenate([rng.normal(size=2998), [0.0, -0.0]]).astype(dtype)
    check(stream, assignments, scores, 4, 50, cuts=[100])


def test_bfloat16_scores(stream, rng):
    assignments = rng.integers(0, 4, size=3000).astype(np.int32)
    bits = (rng.normal(size=3000).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    on_device, on_host = make(stream, 4, 50, np.ones(4), 500), _cpu.Shortlist(4, 50, np.ones(4))
    push(on_device, stream, assignments, bits, bf16=True)
    scores = (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    on_host.push(assignments, scores)
    assert_same(on_device.fetch(), on_host)


def test_indices_name_the_rows(stream, rng):
    indices = rng.choice(10**12, size=5000, replace=False)
    assignments = rng.integers(0, 4, size=5000).astype(np.int32)
    scores = rng.integers(0, 9, size=5000).astype(np.float64)
    on_device, on_host = make(stream, 4, 20, np.ones(4), 700), _cpu.Shortlist(4, 20, np.ones(4))
    push(on_device, stream, assignments, scores, indices=indices)
    on_host.push(assignments, scores, 0, indices)
    assert_same(on_device.fetch(), on_host)


def test_pushes_go_on_after_a_fetch(stream, rng):
    on_device, on_host = make(stream, 6, 90, np.ones(6), 1000), _cpu.Shortlist(6, 90, np.ones(6))
    for first in range(0, 40_000, 10_000):
        assignments = rng.integers(0, 6, size=10_000).astype(np.int32)
        scores = rng.normal(size=10_000)
        push(on_device, stream, assignments, scores, first)
        on_host.push(assignments, scores, first)
        assert_same(on_device.fetch(), on_host)


@pytest.mark.devices(2)
def test_merges_on_the_host(rng):
    """Parts kept on two devices are the shortlist of all rows."""
    from ally_fast import _cuda

    n, k, b = 20_000, 30, 300
    assignments = rng.integers(0, k, size=n).astype(np.int32)
    scores, weights = rng.normal(size=n), rng.uniform(0.5, 2, size=k)
    merged, whole = _cpu.Shortlist(k, b, weights), _cpu.Shortlist(k, b, weights)
    whole.push(assignments, scores)
    for device, rows in ((0, slice(0, 7000)), (1, slice(7000, n))):
        stream = _cuda.Stream(device)
        part = make(stream, k, b, weights, 2000)
        push(part, stream, assignments[rows], scores[rows], rows.start)
        merged.merge_entries(*part.fetch())
    assert_same((*merged.entries(), merged.sizes), whole)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights": np.ones(3)}, r"weights.*3.*4"),
        ({"weights": np.zeros(4)}, r"weights.*above 0"),
        ({"weights": np.full(4, 5e-324)}, r"weights.*not below"),
        ({"b": -1}, r"b.*-1"),
        ({"largest_push": 0}, r"largest_push.*0"),
    ],
    ids=["length", "zero", "tiny", "b", "largest_push"],
)
def test_errors(change, words, stream):
    arguments = {"k": 4, "b": 5, "weights": np.ones(4), "largest_push": 10, **change}
    with pytest.raises(ValueError, match=words):
        make(stream, **arguments)


def test_pushes_are_checked(stream):
    shortlist = make(stream, 4, 5, np.ones(4), 10)
    with pytest.raises(ValueError, match=r"assignments.*2.*3"):
        push(shortlist, stream, np.zeros(2, np.int32), np.zeros(3))
    with pytest.raises(ValueError, match=r"indices.*3"):
        push(shortlist, stream, np.zeros(3, np.int32), np.zeros(3), indices=np.arange(2))
    with pytest.raises(TypeError, match=r"scores.*int64"):
        push(shortlist, stream, np.zeros(3, np.int32), np.arange(3))


@pytest.mark.parametrize("seed", [0, 5, 2**64 - 1])
def test_random_ties_are_those_of_the_host(seed, stream, rng):
    n, k, b = 9000, 6, 300
    assignments = rng.integers(-1, k, size=n, dtype=np.int32)
    scores = rng.integers(0, 3, size=n).astype(np.float64)
    on_host = _cpu.Shortlist(k, b, np.ones(k), seed)
    on_host.push(assignments, scores)
    on_device = make(stream, k, b, np.ones(k), 2000, seed)
    push(on_device, stream, assignments, scores)
    assert_same(on_device.fetch(), on_host)
