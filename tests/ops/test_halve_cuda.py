"""Halves of clusters on the GPU: sides, sums, gains and spreads of the CPU, bit for bit."""

from dataclasses import replace

import numpy as np
import pytest
from clusterings import CASES, assert_same, clustering, clustering_of, copied, twin
from cuda_arrays import put

from ally_fast.ops.halve import halve, unhalved

pytestmark = pytest.mark.gpu


def check(given, stream, halves):
    """Compare all that is found; return it."""
    there, found = twin(given, stream), twin(halves, stream)
    expected = copied(halves)
    halve(given, expected)
    halve(there, found)
    assert_same(found, expected)
    assert not expected.stale.any()
    return expected


def marked(given, rng):
    """Return halves full of marks: what is not to be written must stay."""
    k, d = given.centroids.shape
    halves = unhalved(given)
    halves.centroids[:] = rng.normal(size=(k, d))
    halves.sums.sums[:] = rng.integers(-9, 9, size=(k, d))
    halves.sums.counts[:] = -3
    halves.gains[:] = -4
    halves.spreads[:] = -5
    halves.sides[:] = 6
    return halves


def test_all_are_stale_at_first(stream, rng):
    given = clustering_of("plain", rng)
    assert_same(unhalved(twin(given, stream)), unhalved(given))


@pytest.mark.parametrize("case", CASES)
def test_is_the_cpu(case, stream, rng):
    given = clustering_of(case, rng)
    check(given, stream, marked(given, rng))


@pytest.mark.parametrize("case", CASES)
def test_what_is_not_stale_stays(case, stream, rng):
    given = clustering_of(case, rng)
    k = len(given.centroids)
    for stale in (np.zeros(k), np.arange(k) % 2, np.arange(k) == k - 1, rng.random(k) < 0.1):
        check(given, stream, replace(marked(given, rng), stale=stale.astype(np.uint8)))


@pytest.mark.parametrize("seed", range(12))
def test_ties_for_the_farthest_row(seed, stream):
    """On a grid; the first direction depends on which one is taken."""
    rng = np.random.default_rng(seed)
    t, d, k = rng.integers(2, 200), rng.integers(1, 6), rng.integers(1, 9)
    check_of = clustering(rng.integers(-1, 2, size=(t, d)), rng.integers(0, k, size=t), k)
    check(check_of, stream, unhalved(check_of))


def test_clusters_of_two_halves(stream, rng):
    """Far apart: found, and the sums of both are those of the whole."""
    centres = rng.normal(size=(6, 2, 20)) * 50
    clusters, sides = rng.integers(0, 6, size=400), rng.integers(0, 2, size=400)
    given = clustering(centres[clusters, sides] + rng.normal(size=(400, 20)), clusters, 6)
    found = check(given, stream, unhalved(given))
    for c in range(6):
        here = clusters == c
        agree = found.sides[here] == sides[here]
        assert agree.all() or not agree.any()
    assert (found.gains > 0).all()


def test_a_centroid_off_the_mean(stream, rng):
    """All rows may come to lie on one side: such a cluster is not halved."""
    given = clustering(rng.normal(size=(60, 3)), np.arange(60) % 4, 4)
    given.centroids[1] += 100
    given.centroids[2] -= np.float32(1e-3)
    check(given, stream, marked(given, rng))


def test_errors(stream):
    from ally_fast import _cuda

    given = clustering(np.zeros((5, 2)), np.zeros(5), 3)
    halves, given = twin(unhalved(given), stream), twin(given, stream)

    def call(**changes):
        arguments = {
            "rows": given.rows,
            "assignments": given.assignments,
            "centroids": given.centroids,
            "sums": given.sums.sums,
            "counts": given.sums.counts,
            "grid": given.grid.values,
            "most": 5,
            "stale": halves.stale,
            "halves": halves.centroids,
            "half_sums": halves.sums.sums,
            "half_counts": halves.sums.counts,
            "gains": halves.gains,
            "spreads": halves.spreads,
            "sides": halves.sides,
        }
        _cuda.halve(**{**arguments, **changes})

    with pytest.raises(ValueError, match=r"centroids.*\(3, 1\).*d = 2"):
        call(centroids=put(np.zeros((3, 1), np.float32), stream))
    with pytest.raises(ValueError, match=r"sides.*\(4,\).*\(5,\)"):
        call(sides=halves.sides[:4])
    with pytest.raises(ValueError, match=r"spreads.*\(2, 2\).*\(3, 2\)"):
        call(spreads=halves.spreads[:2])
    with pytest.raises(TypeError, match=r"stale.*int64.*uint8"):
        call(stale=given.sums.counts)
