"""Sums of clusters on the GPU: the integers of the CPU."""

import numpy as np
import pytest
from clusterings import CASES, assert_same, clustering, clustering_of, twin
from cuda_arrays import put

from ally_fast.ops.cluster_sums import cluster_sums

pytestmark = pytest.mark.gpu


def check(given, stream, centroids=None):
    """Compare sums, counts, and the spread about `centroids`."""
    k, there = len(given.centroids), twin(given, stream)
    expected, spread = cluster_sums(
        given.rows, given.assignments, k, given.grid, centroids=centroids
    )
    found, spread_there = cluster_sums(
        there.rows,
        there.assignments,
        k,
        there.grid,
        centroids=None if centroids is None else put(centroids, stream),
    )
    assert_same(found, expected)
    assert_same(spread_there, spread)


@pytest.mark.parametrize("case", CASES)
def test_is_the_cpu(case, stream, rng):
    given = clustering_of(case, rng)
    check(given, stream)
    check(given, stream, given.centroids)
    check(given, stream, rng.permutation(given.centroids))


def test_a_spread_beyond_the_grid(stream, rng):
    """Distances farther than rows lie apart count as the farthest that fits."""
    given = clustering(rng.normal(size=(100, 5)), rng.integers(0, 3, size=100), 3)
    check(given, stream, (given.centroids + 1e9).astype(np.float32))


def test_sums_of_parts_add_up(stream, rng):
    """In the arrays of the parts before; the grid is that of the whole."""
    from ally_fast import _cuda

    given = clustering(rng.normal(size=(500, 7)), rng.integers(0, 9, size=500), 9)
    there = twin(given, stream)
    sums = put(np.zeros((9, 7), np.int64), stream)
    counts, spread = put(np.zeros(9, np.int64), stream), put(np.zeros(2, np.int64), stream)
    for lo, hi in ((0, 1), (1, 300), (300, 500)):
        _cuda.cluster_sums(
            there.rows[lo:hi],
            there.assignments[lo:hi],
            there.grid.values,
            there.grid.most,
            sums,
            counts,
            centroids=there.centroids,
            spread=spread,
        )
    whole, of_whole = cluster_sums(
        given.rows, given.assignments, 9, given.grid, centroids=given.centroids
    )
    assert_same(sums, whole.sums)
    assert_same(counts, whole.counts)
    assert_same(spread, of_whole)


@pytest.mark.parametrize("t", [31, 32, 33, 63, 64, 65, 1025], ids="t={}".format)
def test_runs_that_end_at_every_place(t, stream, rng):
    check(clustering(rng.normal(size=(t, 2)), np.arange(t) // 31, 40), stream)
    check(clustering(rng.normal(size=(t, 2)), np.zeros(t), 1), stream)


def test_more_clusters_than_a_block_counts(stream, rng):
    k = 3000
    assignments = rng.choice(k, size=400)
    assignments[:2] = 0, k - 1
    check(clustering(rng.normal(size=(400, 2)), assignments, k), stream)


def test_errors(stream):
    from ally_fast import _cuda

    given = twin(clustering(np.zeros((5, 2)), np.zeros(5), 3), stream)

    def call(**changes):
        arguments = {
            "rows": given.rows,
            "assignments": given.assignments,
            "grid": given.grid.values,
            "most": 5,
            "sums": given.sums.sums,
            "counts": given.sums.counts,
        }
        _cuda.cluster_sums(**{**arguments, **changes})

    with pytest.raises(ValueError, match="assignments: got 4 of them, needs 5"):
        call(assignments=given.assignments[:4])
    with pytest.raises(ValueError, match=r"sums.*\(2, 2\).*\(3, 2\)"):
        call(sums=given.sums.sums[:2])
    with pytest.raises(ValueError, match=r"most.*4.*5 rows"):
        call(most=4)
    with pytest.raises(ValueError, match=r"centroids, spread.*both or neither"):
        call(centroids=given.centroids)
    with pytest.raises(TypeError, match=r"assignments.*int64"):
        call(assignments=put(np.zeros(5, np.int64), stream))
