"""Rows in clusters for the tests of training, on the host and on a device."""

from dataclasses import fields, is_dataclass, replace

import numpy as np
from cases import hard_pool
from cuda_arrays import put

from ally_fast.clusters import ClusterAverages, Clustering
from ally_fast.memory import to_host
from ally_fast.ops.centroid_update import centroid_update
from ally_fast.ops.cluster_sums import cluster_sums
from ally_fast.ops.feature_grid import feature_grid
from ally_fast.rows import Rows


def _plain(rng, t, d, k):
    return rng.normal(size=(t, d)) + 3, rng.integers(0, k, size=t), k


def _of_pool(rng, name):
    rows, centroids = hard_pool(name, rng, 300, 10, 9)
    return rows, rng.integers(0, len(centroids), size=300), len(centroids)


def _tied(rng):
    """Rows on a coarse grid: many lie equally far, on either side of their mean."""
    return rng.integers(-1, 2, size=(200, 3)), rng.integers(0, 7, size=200), 7


def _near_and_far(rng):
    """Features of 1e30 beside features of 1e-30, and both in one."""
    rows = rng.normal(size=(150, 9)) * np.where(np.arange(9) % 2, 1e30, 1e-30)
    rows[:, 8] *= np.where(np.arange(150) % 2, 1e60, 1)
    return rows, rng.integers(0, 5, size=150), 5


def _one_holds_nearly_all(rng):
    t = 700
    clusters = np.where(rng.random(t) < 0.97, 2, rng.integers(0, 40, size=t))
    return rng.normal(size=(t, 6)), clusters, 40


HARD = (
    *("plain", "near_duplicates", "one_large_column", "offset_1e6"),
    *("values_1e18", "values_3e37", "values_1e-30", "denormals"),
)
CASES = {
    "one row": lambda rng: (np.full((1, 5), 2.5), np.zeros(1), 1),
    "one row of zeros in the last cluster": lambda rng: (np.zeros((1, 1)), np.full(1, 3), 4),
    "all rows equal": lambda rng: (np.full((90, 8), 0.1), rng.integers(0, 4, size=90), 4),
    "zeros of both signs": lambda rng: (
        rng.choice([0.0, -0.0], size=(60, 3)),
        np.arange(60) % 5,
        5,
    ),
    "two rows of each": lambda rng: (
        np.repeat(rng.normal(size=(40, 7)), 2, 0),
        np.arange(80) // 2,
        40,
    ),
    "a cluster for each row": lambda rng: (rng.normal(size=(60, 9)), rng.permutation(60), 60),
    "empty clusters": lambda rng: (rng.normal(size=(90, 6)), rng.choice([3, 10, 90], size=90), 110),
    "one holds nearly all": _one_holds_nearly_all,
    "ties": _tied,
    "1e30 beside 1e-30": _near_and_far,
    **{f"d={d}": lambda rng, d=d: _plain(rng, 150, d, 4) for d in (1, 7, 8, 9, 127, 129, 300)},
    "many rows": lambda rng: _plain(rng, 5000, 3, 6),
    **{name: lambda rng, name=name: _of_pool(rng, name) for name in HARD},
}


def clustering_of(case, rng):
    """Return the rows of a case in their clusters, centroids the means."""
    rows, assignments, k = CASES[case](rng)
    return clustering(rows, assignments, k)


def clustering(rows, assignments, k):
    """Return rows in their clusters, centroids the means."""
    rows = np.ascontiguousarray(rows, np.float32)
    assignments = np.ascontiguousarray(assignments, np.int32)
    grid = feature_grid(rows)
    sums, _ = cluster_sums(rows, assignments, k, grid)
    centroids = np.full((k, rows.shape[1]), 7, np.float32)
    averages = ClusterAverages(np.zeros(k), np.zeros(centroids.shape))
    centroid_update(sums, grid, averages, centroids, keep=0, add=1, normalize=False)
    return Clustering(rows, assignments, centroids, sums, grid)


def twin(value, stream):
    """Return a copy on a device of an array, or of all arrays in a dataclass."""
    return _mapped(value, lambda array: put(array, stream))


def copied(value):
    """Return a copy of an array, or of all arrays in a dataclass."""
    return _mapped(value, np.copy)


def _mapped(value, function):
    if isinstance(value, np.ndarray):
        return function(value)
    if is_dataclass(value) and not isinstance(value, Rows):
        parts = {f.name: _mapped(getattr(value, f.name), function) for f in fields(value)}
        return replace(value, **parts)
    return value


def assert_same(found, expected, name="array"):
    """Check that a device's arrays hold the bits of the host's."""
    if is_dataclass(expected):
        for f in fields(expected):
            assert_same(getattr(found, f.name), getattr(expected, f.name), f"{name}.{f.name}")
    elif isinstance(expected, np.ndarray):
        found = to_host(found)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape), name
        np.testing.assert_array_equal(found, expected, name)
        assert found.tobytes() == expected.tobytes(), f"{name}: a zero of another sign"
    else:
        assert found == expected, name
