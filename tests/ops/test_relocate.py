"""Clusters merged and split: the oracle's moves, and what they are said to gain."""

from fractions import Fraction

import numpy as np
import pytest
from cases import RUNNABLE_ISAS, core
from hypothesis import assume, given
from hypothesis import strategies as st
from training_cases import (
    ROWS,
    clustered,
    clusterings,
    exact_spread,
    halved,
    halves_of,
    make_rows,
    own_copy,
    reference_relocated,
    same,
)

from ally_fast import _cpu
from ally_fast.cluster.relocation import one_round as relocate
from ally_fast.ops.cluster_sums import cluster_sums
from ally_fast.ops.halve import halve


def state(clustering, halves, gained):
    sums = clustering.sums
    arrays = (clustering.assignments, clustering.centroids, sums.sums, sums.counts, halves.stale)
    return (*arrays, gained)


def relocated(clustering, halves, bit):
    """Return what the op makes of copies of its arguments, and these."""
    clustering, halves = own_copy(clustering), own_copy(halves)
    gained = relocate(clustering, halves, bit)
    return clustering, halves, gained


def bits_of(k):
    return range((k - 1).bit_length())


@given(clustering=clusterings(max_k=14))
def test_is_the_reference(clustering):
    """For every bit; with ties, copies, empty clusters, and clusters that cannot be halved."""
    k = len(clustering.centroids)
    assume(k > 1)
    halves = halved(clustering)
    for bit in bits_of(k):
        expected = reference_relocated(clustering, halves, bit)
        for isa in RUNNABLE_ISAS:
            for threads in (1, 3):
                with core(isa=isa, threads=threads):
                    found = state(*relocated(clustering, halves, bit))
                same(found, expected)


@pytest.mark.parametrize("kind", sorted(ROWS))
def test_rounds_on_every_kind_of_rows(kind, rng):
    """Eight rounds, halves brought up to date between them: sums stay those of the rows."""
    clustering = clustered(make_rows(kind, rng, 120, 5), rng.integers(0, 6, size=120), 9, rng)
    halves = halved(clustering)
    for turn in range(8):
        bit = turn % 4
        expected = reference_relocated(clustering, halves, bit)
        gained = relocate(clustering, halves, bit)
        same(state(clustering, halves, gained), expected)
        sums, _ = cluster_sums(clustering.rows, clustering.assignments, 9, clustering.grid)
        same((clustering.sums.sums, clustering.sums.counts), (sums.sums, sums.counts))
        halve(clustering, halves)
        same(halves_of(halves), halves_of(halved_again(clustering, halves)))


def halved_again(clustering, halves):
    """Return the halves of all clusters, with what halving leaves alone as it was."""
    again = own_copy(halves)
    again.stale[:] = 1
    halve(clustering, again)
    return again


def test_one_answer(rng):
    rows = rng.normal(size=(150_000, 3)).astype(np.float32)
    clustering = clustered(rows, rng.integers(0, 700, size=150_000) ** 2 // 700, 700)
    answers = set()
    for isa in RUNNABLE_ISAS:
        for threads in (1, 2, 5):
            with core(isa=isa, threads=threads):
                *arrays, gained = state(*relocated(clustering, halved(clustering), 3))
            answers.add(b"".join(array.tobytes() for array in arrays) + str(gained).encode())
    assert len(answers) == 1


@pytest.mark.parametrize("k", [2, 3, 8, 30], ids="k={}".format)
@pytest.mark.parametrize("kind", ["normal", "coarse", "offset_1e9", "one_huge_column"])
def test_gains_are_what_they_say(kind, k, rng):
    """Against exact fractions: by how much squared distances to the new means fall."""
    rows = make_rows(kind, rng, 300, 4)
    clustering = clustered(rows, (k * rng.random(300) ** 3).astype(int), k)
    halves = halved(clustering)
    size = np.abs(rows.astype(float)).max(axis=0)
    blur = Fraction(float((2.0**-23 * size) @ (4 * size + 2.0**-23 * size))) * len(rows)
    for bit in bits_of(k):
        after, _, gained = relocated(clustering, halves, bit)
        assert gained >= 0
        before = exact_spread(rows, clustering.assignments)
        fallen = before - exact_spread(rows, after.assignments)
        # Each row is in one move at most; means of moves are off by 2**-24 of their size.
        assert abs(fallen - Fraction(gained)) <= blur


def two_clumps_and_one():
    """Return clusters 0 and 1 that share a clump, 2 with two clumps far apart, 3 with one."""
    rows = [[0.0], [0.2], [0.4], [0.6], [50.0], [50.2], [60.0], [60.0], [90.0], [90.2]]
    return clustered(np.array(rows, np.float32), [0, 0, 1, 1, 2, 2, 2, 2, 3, 3], 4)


def test_the_cheapest_donor_serves_the_largest_gain(isa):
    clustering = two_clumps_and_one()
    halves = halved(clustering)
    after, left, gained = relocated(clustering, halves, 0)
    assert after.assignments.tolist() == [1, 1, 1, 1, 0, 0, 2, 2, 3, 3]
    np.testing.assert_allclose(after.centroids[:, 0], [50.1, 0.3, 60.0, 90.1], rtol=1e-6)
    assert after.sums.counts.tolist() == [2, 4, 2, 2]
    assert left.stale.tolist() == [1, 1, 1, 0]
    assert gained == pytest.approx(9.9**2 - 0.4**2, rel=1e-5)


def test_the_bit_says_which_clusters_may_merge(isa):
    """With bit 1 clusters 0 and 1 are on one side, and a merge with 2 or 3 costs too much."""
    clustering = two_clumps_and_one()
    after, left, gained = relocated(clustering, halved(clustering), 1)
    assert gained == 0
    assert not left.stale.any()
    same(state(after, left, 0.0), state(clustering, left, 0.0))


def test_empty_clusters_are_donors_that_cost_nothing(isa, rng):
    """Many at once: each takes a half of another cluster, the largest gains first."""
    clumps = np.repeat(np.arange(16.0) ** 2, 5)[:, None].astype(np.float32)
    rows = np.hstack([clumps, clumps]) + np.float32(0.01) * rng.integers(0, 3, (80, 2))
    rows = rows.astype(np.float32)
    clustering = clustered(rows, np.repeat(np.arange(8), 10), 20)
    clustering.centroids[8:] = -1e6  # nobody's heirs
    after, left, gained = relocated(clustering, halved(clustering), 0)
    assert gained == pytest.approx(halved(clustering).gains.sum())
    assert (after.sums.counts[:16] == 5).all()
    assert not after.sums.counts[16:].any()
    assert sorted(after.assignments.tolist()) == np.repeat(np.arange(16), 5).tolist()
    assert left.stale.tolist() == [1] * 16 + [0] * 4


def test_an_empty_cluster_as_heir_costs_nothing(isa):
    """The donor's rows go to it, and its number to a half."""
    rows = np.array([[0.0], [1.0], [50.0], [60.0]], np.float32)
    clustering = clustered(rows, [0, 0, 2, 2], 4)
    clustering.centroids[[1, 3]] = [[2.0], [-1e6]]
    after, left, gained = relocated(clustering, halved(clustering), 0)
    assert after.assignments.tolist() == [1, 1, 0, 2]
    assert after.centroids[:3, 0].tolist() == [50.0, 0.5, 60.0]
    assert gained == 50
    assert left.stale.tolist() == [1, 1, 1, 0]


def test_ties_go_to_the_lowest_index(isa):
    """Two splits of one gain, and donors of one cost: lowest numbers first."""
    rows = [[0.0], [4.0], [100.0], [104.0], [200.0], [300.0]]
    clustering = clustered(np.array(rows, np.float32), [0, 0, 1, 1, 2, 3], 6)
    after, _, gained = relocated(clustering, halved(clustering), 0)
    assert after.assignments.tolist() == [4, 0, 5, 1, 2, 3]
    assert gained == 16


def test_no_more_move_than_can_be_halved(isa):
    """More empty clusters than others: all that can be halved are, and the rest stay empty."""
    rows = np.arange(8.0, dtype=np.float32)[:, None] * 10
    clustering = clustered(rows, [0, 0, 1, 1, 2, 2, 3, 3], 12)
    clustering.centroids[4:] = -1e6  # nobody's heirs
    after, _, _ = relocated(clustering, halved(clustering), 0)
    assert np.bincount(after.assignments, minlength=12).tolist() == [1] * 8 + [0] * 4


def test_nothing_moves_where_nothing_can_be_halved(isa, rng):
    rows = np.repeat(rng.normal(size=(4, 3)).astype(np.float32), 5, axis=0)
    clustering = clustered(rows, np.repeat(np.arange(4), 5), 7)
    after, left, gained = relocated(clustering, halved(clustering), 0)
    assert gained == 0
    same(state(after, left, 0.0), state(clustering, left, 0.0))


def test_two_clusters_cannot_trade(isa):
    """A split needs a third cluster to give its number, unless one of the two is empty."""
    rows = np.array([[0.0], [100.0], [0.5]], np.float32)
    clustering = clustered(rows, [0, 0, 1], 2)
    assert relocated(clustering, halved(clustering), 0)[2] == 0
    clustering = clustered(rows, [0, 0, 0], 2)
    after, _, gained = relocated(clustering, halved(clustering), 0)
    assert gained > 0
    assert after.assignments.tolist() == [0, 1, 0]


@given(clustering=clusterings(max_k=12), data=st.data())
def test_clusters_that_do_not_move_stay(clustering, data):
    k = len(clustering.centroids)
    assume(k > 1)
    halves = halved(clustering)
    after, left, _ = relocated(clustering, halves, data.draw(st.sampled_from(bits_of(k))))
    kept = left.stale == 0
    np.testing.assert_array_equal(after.centroids[kept], clustering.centroids[kept])
    np.testing.assert_array_equal(after.sums.sums[kept], clustering.sums.sums[kept])
    rows_of_kept = kept[clustering.assignments]
    moved = after.assignments != clustering.assignments
    assert not (moved & rows_of_kept).any()
    same(halves_of(left), halves_of(halves))


def arguments(**changes):
    standard = {
        "assignments": np.zeros(5, np.int32),
        "centroids": np.zeros((3, 2), np.float32),
        "sums": np.zeros((3, 2), np.int64),
        "counts": np.array([5, 0, 0]),
        "grid": np.ones(5),
        "nearest_of_zeros": np.zeros(2, np.int32),
        "nearest_of_ones": np.zeros(1, np.int32),
        "bit": 0,
        "stale": np.zeros(3, np.uint8),
        "halves": np.zeros((3, 2), np.float32),
        "half_sums": np.zeros((3, 2), np.int64),
        "half_counts": np.zeros(3, np.int64),
        "gains": np.zeros(3),
        "sides": np.zeros(5, np.uint8),
    }
    return {**standard, **changes}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"centroids": np.zeros((1, 2), np.float32)}, r"centroids: .*1, 2.*at least 2 "),
        ({"bit": 2}, r"bit: got 2, needs 2\*\*bit < k = 3"),
        ({"bit": -1}, r"bit: got -1, needs 2\*\*bit < k = 3"),
        ({"bit": 64}, r"bit: got 64, needs 2\*\*bit < k = 3"),
        ({"assignments": np.full(5, 3, np.int32)}, r"assignments: needs values in \[0, 3\)"),
        ({"assignments": np.full(5, -1, np.int32)}, r"assignments: needs values in \[0, 3\)"),
        ({"nearest_of_zeros": np.ones(2, np.int32)}, r"nearest_of_zeros: needs values in \[0, 1\)"),
        ({"nearest_of_ones": np.full(1, 2, np.int32)}, r"nearest_of_ones: .*\[0, 2\)"),
        ({"nearest_of_ones": np.full(1, -1, np.int32)}, r"nearest_of_ones: .*\[0, 2\)"),
        *(
            ({name: np.zeros(9, dtype)}, rf"{name}: got shape \(9,\), needs \({size},\)")
            for name, dtype, size in [
                *(("counts", np.int64, 3), ("grid", np.float64, 5), ("stale", np.uint8, 3)),
                *(("half_counts", np.int64, 3), ("gains", np.float64, 3), ("sides", np.uint8, 5)),
                *(("nearest_of_zeros", np.int32, 2), ("nearest_of_ones", np.int32, 1)),
            ]
        ),
        *(
            ({name: np.zeros((9, 2), dtype)}, rf"{name}: got shape \(9, 2\), needs \(3, 2\)")
            for name, dtype in [
                *(("sums", np.int64), ("halves", np.float32), ("half_sums", np.int64)),
            ]
        ),
        ({"threads": 0}, "threads: got 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_errors(changes, words):
    with pytest.raises(ValueError, match=words):
        _cpu.relocate(**arguments(**changes))


@pytest.mark.parametrize("name", [name for name in arguments() if name != "bit"])
def test_dtypes_must_be_right(name):
    given_ones = arguments()
    given_ones[name] = given_ones[name].astype(np.float16)
    with pytest.raises(TypeError, match=f"^{name}: got float16"):
        _cpu.relocate(**given_ones)
