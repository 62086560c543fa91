"""The shortlist of any split, merged in any order, gives the batch of one pass."""

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

from ally_fast import _cpu


@st.composite
def streams(draw):
    """Draw ``(assignments, scores, k, b, pieces)``: a pool cut into pieces in order."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, k = draw(st.integers(0, 80)), draw(st.integers(1, 9))
    assignments = rng.integers(0, draw(st.integers(1, k)), size=n).astype(np.int32)
    scores = rng.integers(0, draw(st.sampled_from([1, 3, 1000])), size=n).astype(np.float64)
    b = draw(st.integers(0, n))
    cuts = sorted(draw(st.lists(st.integers(0, n), max_size=5)))
    pieces = list(zip([0, *cuts], [*cuts, n], strict=True))
    return assignments, scores, k, b, pieces


def push(shortlist, assignments, scores, first, last):
    shortlist.push(assignments[first:last], scores[first:last], first, None)


def kept(shortlist):
    """Return what a shortlist holds as {(cluster, score, pool index)}."""
    return set(zip(*(part.tolist() for part in shortlist.entries()), strict=True))


def batch(shortlist, b, weights):
    """Cut a batch from a shortlist by the rule: sort by quotient, score, index."""
    clusters, scores, indices = shortlist.entries()
    order = np.lexsort((indices, -scores))
    clusters, scores, indices = clusters[order], scores[order], indices[order]
    ranks = reference.ranks_in_cluster(clusters, scores)
    quotients = (ranks + 0.5) / weights[clusters]
    return indices[np.lexsort((indices, -scores, quotients))][:b].tolist()


def expected_batch(assignments, scores, b, weights):
    quotients = (reference.ranks_in_cluster(assignments, scores) + 0.5) / weights[assignments]
    return np.lexsort((np.arange(len(scores)), -scores, quotients))[:b].tolist()


@given(stream=streams())
def test_one_pass_keeps_what_the_batch_needs(stream):
    assignments, scores, k, b, _ = stream
    shortlist = _cpu.Shortlist(k, b, np.ones(k))
    push(shortlist, assignments, scores, 0, len(scores))
    needed, sizes = reference.shortlist(assignments, scores, k, b)
    np.testing.assert_array_equal(shortlist.sizes, sizes)
    held = shortlist.entries()[2].tolist()
    assert set(held) >= set(needed.tolist())
    assert len(held) <= len(needed) + k
    assert batch(shortlist, b, np.ones(k)) == expected_batch(assignments, scores, b, np.ones(k))


def test_weights_of_very_different_sizes(rng):
    """Quotients span forty orders of magnitude; neither order nor memory suffers."""
    k, b, n = 50, 400, 60_000
    weights = np.logspace(0, -40, k)
    assignments = rng.integers(0, k, size=n).astype(np.int32)
    scores = rng.normal(size=n)
    shortlist = _cpu.Shortlist(k, b, weights)
    push(shortlist, assignments, scores, 0, n)
    assert batch(shortlist, b, weights) == expected_batch(assignments, scores, b, weights)
    assert len(shortlist.entries()[0]) <= 2 * (b + k)


@given(stream=streams())
def test_entries_are_rows_of_the_pool(stream):
    assignments, scores, k, b, _ = stream
    shortlist = _cpu.Shortlist(k, b, np.ones(k))
    push(shortlist, assignments, scores, 0, len(scores))
    for cluster, score, index in kept(shortlist):
        assert assignments[index] == cluster
        assert scores[index] == score


@given(stream=streams(), seed=st.integers(0, 1000))
def test_any_split_merged_in_any_order_is_one_pass(stream, seed):
    assignments, scores, k, b, pieces = stream
    parts = []
    for first, last in pieces:
        part = _cpu.Shortlist(k, b, np.ones(k))
        push(part, assignments, scores, first, last)
        parts.append(part)
    rng = np.random.default_rng(seed)
    while len(parts) > 1:
        i, j = rng.choice(len(parts), size=2, replace=False)
        parts[i].merge(parts[j])
        parts.pop(j)
    whole = _cpu.Shortlist(k, b, np.ones(k))
    push(whole, assignments, scores, 0, len(scores))
    np.testing.assert_array_equal(parts[0].sizes, whole.sizes)
    for merged, in_one_pass in zip(parts[0].entries(), whole.entries(), strict=True):
        np.testing.assert_array_equal(merged, in_one_pass)


@given(stream=streams(), seed=st.integers(0, 1000))
def test_pieces_pushed_in_any_order_are_one_pass(stream, seed):
    assignments, scores, k, b, pieces = stream
    shortlist = _cpu.Shortlist(k, b, np.ones(k))
    for place in np.random.default_rng(seed).permutation(len(pieces)):
        push(shortlist, assignments, scores, *pieces[place])
    assert batch(shortlist, b, np.ones(k)) == expected_batch(assignments, scores, b, np.ones(k))


@given(stream=streams(), seed=st.integers(0, 1000))
def test_weights(stream, seed):
    assignments, scores, k, b, pieces = stream
    weights = np.random.default_rng(seed).uniform(0.1, 5.0, size=k)
    shortlist = _cpu.Shortlist(k, b, weights)
    for piece in pieces:
        push(shortlist, assignments, scores, *piece)
    assert batch(shortlist, b, weights) == expected_batch(assignments, scores, b, weights)


def test_indices_name_the_rows(rng):
    indices = np.sort(rng.choice(10**12, size=50, replace=False))
    assignments = rng.integers(0, 4, size=50).astype(np.int32)
    scores = rng.normal(size=50)
    shortlist = _cpu.Shortlist(4, 20, np.ones(4))
    shortlist.push(assignments, scores, 0, indices)
    expected = expected_batch(assignments, scores, 20, np.ones(4))
    assert batch(shortlist, 20, np.ones(4)) == indices[expected].tolist()


def test_entries_are_best_first_within_each_cluster(rng):
    assignments = rng.integers(0, 4, size=90).astype(np.int32)
    shortlist = _cpu.Shortlist(4, 30, np.ones(4))
    shortlist.push(assignments, rng.integers(0, 5, size=90).astype(np.float64))
    clusters, scores, indices = shortlist.entries()
    order = np.lexsort((indices, -scores, clusters))
    np.testing.assert_array_equal(order, np.arange(len(order)))


def test_rows_without_a_cluster_are_left_out(rng):
    assignments = np.array([0, -1, 1, -1], dtype=np.int32)
    shortlist = _cpu.Shortlist(2, 4, np.ones(2))
    shortlist.push(assignments, np.zeros(4), 10)
    assert shortlist.entries()[2].tolist() == [10, 12]
    assert shortlist.sizes.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights": np.ones(3)}, r"weights.*3.*4"),
        ({"weights": np.zeros(4)}, r"weights.*above 0"),
        ({"b": -1}, r"b.*-1"),
    ],
    ids=["length", "zero", "b"],
)
def test_errors(change, words):
    with pytest.raises(ValueError, match=words):
        _cpu.Shortlist(**{"k": 4, "b": 5, "weights": np.ones(4), **change})


def test_only_alike_shortlists_merge():
    shortlist = _cpu.Shortlist(2, 5, np.ones(2))
    for other in (
        _cpu.Shortlist(2, 6, np.ones(2)),
        _cpu.Shortlist(3, 5, np.ones(3)),
        _cpu.Shortlist(2, 5, np.array([1.0, 2.0])),
        shortlist,
    ):
        with pytest.raises(ValueError, match="other"):
            shortlist.merge(other)


def test_entries_kept_elsewhere_merge(rng):
    assignments = rng.integers(0, 4, size=90).astype(np.int32)
    scores = rng.integers(0, 5, size=90).astype(np.float64)
    part, whole, merged = (_cpu.Shortlist(4, 30, np.ones(4)) for _ in range(3))
    part.push(assignments[:40], scores[:40])
    merged.push(assignments[40:], scores[40:], 40)
    merged.merge_entries(*part.entries(), part.sizes)
    whole.push(assignments, scores)
    assert kept(merged) == kept(whole)
    np.testing.assert_array_equal(merged.sizes, whole.sizes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"clusters": np.array([0, 2], np.int32)}, r"clusters.*\[0, 2\)"),
        ({"clusters": np.zeros(3, np.int32)}, r"clusters.*3 and 2.*needs 2"),
        ({"sizes": np.array([1, 5])}, r"sizes.*cluster 0"),
        ({"sizes": np.array([2, -1])}, r"sizes.*at least 0"),
        ({"sizes": np.array([2])}, r"sizes.*1.*k = 2"),
    ],
    ids=["cluster", "length", "few", "negative", "k"],
)
def test_entries_to_merge_are_checked(change, words):
    shortlist = _cpu.Shortlist(2, 5, np.ones(2))
    entries = {
        "clusters": np.zeros(2, np.int32),
        "scores": np.zeros(2),
        "indices": np.arange(2),
        "sizes": np.array([2, 0]),
    }
    with pytest.raises(ValueError, match=words):
        shortlist.merge_entries(**{**entries, **change})
    assert shortlist.sizes.tolist() == [0, 0]


@pytest.mark.parametrize("order", ["best_last", "best_first"])
def test_memory_does_not_grow_with_the_pool(order, rng):
    k, b = 50, 200
    shortlist = _cpu.Shortlist(k, b, np.ones(k))
    for first in range(0, 100_000, 5_000):
        scores = np.arange(first, first + 5_000, dtype=np.float64)
        scores = scores if order == "best_last" else -scores
        shortlist.push(rng.integers(0, k, size=5_000).astype(np.int32), scores, first, None)
    assert len(shortlist.entries()[0]) <= b + k
    assert shortlist.sizes.sum() == 100_000
