"""Clusterings for the tests of the operations that train, and the oracles' answers on them."""

import copy
from fractions import Fraction

import numpy as np
import reference
from hypothesis import strategies as st

from ally_fast.clusters import Clustering
from ally_fast.ops.cluster_sums import cluster_sums
from ally_fast.ops.feature_grid import feature_grid
from ally_fast.ops.halve import halve, unhalved

ROWS = {
    "normal": lambda rng, t, d: rng.normal(size=(t, d)),
    "coarse": lambda rng, t, d: rng.integers(-2, 3, size=(t, d)),
    "equal": lambda rng, t, d: np.tile(rng.normal(size=d), (t, 1)),
    "signed_zeros": lambda rng, t, d: np.where(rng.random((t, d)) < 0.5, -0.0, 0.0),
    "offset_1e9": lambda rng, t, d: 1e9 + 1e3 * rng.normal(size=(t, d)),
    "subnormal": lambda rng, t, d: 1e-44 * rng.normal(size=(t, d)),
    "far_apart": lambda rng, t, d: rng.normal(size=(t, d)) * 10.0 ** rng.integers(-30, 31, (t, d)),
    "one_huge_column": lambda rng, t, d: rng.normal(size=(t, d)) * np.where(np.arange(d), 1, 1e30),
    "largest": lambda rng, t, d: rng.choice([-1, 1], size=(t, d)) * np.finfo(np.float32).max,
}


def make_rows(kind, rng, t, d):
    """Return (t, d) float32 rows of one of ``ROWS``."""
    return np.ascontiguousarray(ROWS[kind](rng, t, d), dtype=np.float32)


@st.composite
def clusterings(draw, max_t=40, max_d=20, max_k=9):
    """Draw rows of every kind and clusters for them, some of which are empty."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    t, d, k = (draw(st.integers(1, most)) for most in (max_t, max_d, max_k))
    used = draw(st.integers(1, k))
    rows = make_rows(draw(st.sampled_from(sorted(ROWS))), rng, t, d)
    return clustered(rows, rng.integers(0, used, size=t), k, rng)


def clustered(rows, assignments, k, rng=None):
    """Return the `Clustering` of rows whose clusters are given; empty ones lie on some row."""
    grid = feature_grid(rows)
    assignments = np.asarray(assignments, np.int32)
    sums, _ = cluster_sums(rows, assignments, k, grid)
    centroids = np.tile(rows[0], (k, 1))
    if rng is not None:
        centroids = rows[rng.integers(0, len(rows), size=k)]
    averages = np.zeros(k), np.zeros(centroids.shape)
    *_, centroids = reference.centroid_update(
        (sums.sums, sums.counts), grid.values, averages, centroids, 0.0, 1.0
    )
    return Clustering(rows, assignments, centroids, sums, grid)


def halves_of(found):
    """Return the fields of an op's halves as the oracle names them."""
    return reference.Halves(
        found.centroids, found.sums.sums, found.sums.counts, found.gains, found.spreads, found.sides
    )


def halved(clustering):
    """Return the halves of all clusters."""
    halves = unhalved(clustering)
    halve(clustering, halves)
    return halves


def reference_halves(clustering, halves):
    """Return what the oracle makes of an op's arguments."""
    return reference.halve(
        clustering.rows,
        clustering.assignments,
        clustering.centroids,
        clustering.sums.sums,
        clustering.grid.values,
        clustering.grid.most,
        halves.stale,
        halves_of(halves),
    )


def reference_relocated(clustering, halves, bit):
    """Return what the oracle makes of an op's arguments."""
    return reference.relocate(
        clustering.assignments,
        clustering.centroids,
        clustering.sums.sums,
        clustering.sums.counts,
        clustering.grid.values,
        halves_of(halves),
        bit,
    )


def same(found, expected):
    """Check equality of dtypes, shapes and bits."""
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        ours, theirs = np.asarray(ours), np.asarray(theirs)
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_array_equal(ours, theirs)


def own_copy(value):
    """Return a deep copy of an op's arguments."""
    return copy.deepcopy(value)


def exact_spread(rows, assignments):
    """Return the sum of squared distances to the clusters' exact means, as a fraction."""
    total = Fraction(0)
    for c in np.unique(assignments):
        for column in rows[np.asarray(assignments) == c].T.tolist():
            values = [Fraction(x) for x in column]
            total += sum(x * x for x in values) - sum(values) ** 2 / len(values)
    return total
