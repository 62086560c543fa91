"""Inputs and checks that several test files share."""

import os
import re
from contextlib import contextmanager
from functools import partial
from unittest import mock

import numpy as np
import reference
from hypothesis import strategies as st

import ally_fast
from ally_fast import _cpu
from ally_fast.pools import Rows

RUNNABLE_ISAS = _cpu.isas()
DTYPES = ("float16", "float32", "float64")
LAYOUTS = (
    "c_order",
    "fortran_order",
    "reversed_rows",
    "reversed_columns",
    "every_second_row",
    "every_second_column",
    "column_offset",
    "transposed",
)


class OwnRows:
    """Rows behind the least that a source of one's own must offer."""

    def __init__(self, array):
        self._array = array
        self.n, self.d = array.shape
        self.dtype_name, self.itemsize = array.dtype.name, array.itemsize

    def read(self, lo, hi):
        return Rows(self._array[lo:hi], bf16=False)

    def gather(self, indices):
        return Rows(self._array[indices], bf16=False)


def lay_out(values, layout):
    """Return a view equal to ``values`` whose memory is arranged in the named way."""
    n, d = values.shape
    if layout == "c_order":
        return np.ascontiguousarray(values)
    if layout == "fortran_order":
        return np.asfortranarray(values)
    if layout == "reversed_rows":
        return np.ascontiguousarray(values[::-1])[::-1]
    if layout == "reversed_columns":
        return np.ascontiguousarray(values[:, ::-1])[:, ::-1]
    if layout == "transposed":
        return np.ascontiguousarray(values.T).T
    rows, columns = {
        "every_second_row": (slice(0, 2 * n, 2), slice(0, d)),
        "every_second_column": (slice(0, n), slice(1, 2 * d + 1, 2)),
        "column_offset": (slice(0, n), slice(3, d + 3)),
    }[layout]
    store = np.full((2 * n + 1, 2 * d + 3), np.nan, dtype=values.dtype)
    store[rows, columns] = values
    return store[rows, columns]


@contextmanager
def core(*, isa=None, threads=None):
    """Force the instruction set and the number of threads of the core."""
    forced = {"ALLY_FAST_ISA": isa, "ALLY_FAST_THREADS": threads}
    with mock.patch.dict(os.environ, {k: str(v) for k, v in forced.items() if v is not None}):
        yield


def read_only(array):
    """Return a copy that cannot be written to."""
    copy = array.copy(order="K")
    copy.setflags(write=False)
    return copy


@st.composite
def tables(draw, rows, max_k=12, max_d=40, dtypes=DTYPES):
    """Draw rows and centroids: continuous, or on a coarse grid where distances tie."""
    seed = draw(st.integers(0, 2**32 - 1))
    d = draw(st.integers(1, max_d))
    k = draw(st.integers(1, max_k))
    n = draw(rows)
    rng = np.random.default_rng(seed)
    if draw(st.booleans()):
        values = rng.integers(-2, 3, size=(n + k, d)).astype(np.float64)
    else:
        values = rng.normal(size=(n + k, d)) * draw(st.sampled_from([1.0, 1e-3, 50.0]))
    if draw(st.booleans()):
        values += draw(st.sampled_from([1.0, -30.0, 500.0]))
    embeddings = values[:n].astype(draw(st.sampled_from(dtypes)))
    layout = draw(st.sampled_from(LAYOUTS))
    return lay_out(embeddings, layout), values[n:].astype(np.float32)


@st.composite
def pools(draw, max_n=60):
    """Draw ``(embeddings, scores, centroids)`` with ties of every kind."""
    embeddings, centroids = draw(tables(st.integers(1, max_n)))
    n = embeddings.shape[0]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["constant", "few", "distinct", "float32"]))
    scores = {
        "constant": np.zeros(n),
        "few": rng.integers(-1, 3, size=n) / 2.0,
        "distinct": rng.normal(size=n),
        "float32": rng.exponential(size=n).astype(np.float32),
    }[kind]
    keep = min(n, centroids.shape[0])  # k <= n
    return embeddings, scores, centroids[:keep]


def _cloud(rng, n, k, d, *, scale=1.0, offset=0.0, dtype=np.float32):
    """Return rows around k centres, and centroids near these."""
    centers = rng.normal(size=(k, d))
    rows = centers[rng.integers(0, k, size=n)] + rng.normal(size=(n, d))
    centroids = centers + 0.1 * rng.normal(size=(k, d))
    wide = np.float64 if dtype == np.float64 else np.float32
    return (rows * scale + offset).astype(dtype), (centroids * scale + offset).astype(wide)


def _near_duplicates(rng, n, k, d):
    """Return rows and centroids that differ in the last bits of a few features only."""
    base = rng.normal(size=d).astype(np.float32)
    values = np.tile(base, (n + k, 1))
    for _ in range(2):
        feature = rng.integers(0, d, size=n + k)
        towards = np.where(rng.random(n + k) < 0.5, -np.inf, np.inf).astype(np.float32)
        place = np.arange(n + k)
        values[place, feature] = np.nextafter(values[place, feature], towards)
    return values[:n], values[n:]


def _repeated_centroids(rng, n, k, d):
    """Return centroids of which each stands in the table several times."""
    rows, centroids = _cloud(rng, n, k, d)
    return rows, centroids[rng.integers(0, max(1, k // 4), size=k)]


def _midpoints(rng, n, k, d):
    """Return rows exactly half way between two centroids."""
    centroids = rng.integers(-8, 9, size=(k, d)).astype(np.float32)
    first, second = rng.integers(0, k, size=(2, n))
    return (centroids[first] + centroids[second]) / 2, centroids


def _below_float32(rng, n, k, d):
    """Return float64 rows whose nearest centroid is decided below float32 resolution."""
    centroids = rng.integers(-8, 9, size=(k, d)).astype(np.float32)
    first, second = rng.integers(0, k, size=(2, n))
    rows = (centroids[first].astype(np.float64) + centroids[second]) / 2
    return rows + rng.normal(size=(n, d)) * 1e-11, centroids


def _one_large_column(rng, n, k, d):
    """Return rows of which one feature dwarfs the others."""
    rows, centroids = _cloud(rng, n, k, d)
    rows[:, 0] *= np.float32(1e6)
    centroids[:, 0] *= np.float32(1e6)
    return rows, centroids


HARD_POOLS = {
    "plain": _cloud,
    "near_duplicates": _near_duplicates,
    "repeated_centroids": _repeated_centroids,
    "midpoints": _midpoints,
    "below_float32": _below_float32,
    "one_large_column": _one_large_column,
    "values_1e18": partial(_cloud, scale=1e18),
    "values_3e37": partial(_cloud, scale=3e37),
    "values_1e-30": partial(_cloud, scale=1e-30),
    "denormals": partial(_cloud, scale=1e-41),
    "offset_1e6": partial(_cloud, offset=1e6),
    "offset_1e6_float64": partial(_cloud, offset=1e6, dtype=np.float64),
    "offset_1e9_float64": partial(_cloud, offset=1e9, dtype=np.float64),
    "values_1e140": partial(_cloud, scale=1e140, dtype=np.float64),
    "values_1e-140": partial(_cloud, scale=1e-140, dtype=np.float64),
    "offset_large_spread_small": partial(_cloud, scale=1e-3, offset=100.0, dtype=np.float64),
    "float16_norm_overflow": partial(_cloud, scale=10_000.0, dtype=np.float16),
    "float16_denormals": partial(_cloud, scale=1e-7, dtype=np.float16),
}


FLOAT32_POOLS = sorted({*HARD_POOLS} - {"values_1e140"})  # those whose values it holds


def hard_pool(name, rng, n, k, d):
    """Return the rows and centroids of one of ``HARD_POOLS``."""
    return HARD_POOLS[name](rng, n, k, d)


def assert_is_reference(embeddings, scores, b, centroids, **arguments):
    """Check ``ally_fast.select`` against the oracle, bit for bit; return its indices."""
    k = len(centroids)
    rule = {
        name: value
        for name, value in arguments.items()
        if name not in ("chunk_rows", "seed", "device", "engine")
    }
    expected = reference.select(embeddings, scores, b, centroids, **rule)
    indices, info = ally_fast.select(
        embeddings, scores, b, k, centroids=centroids, return_info=True, **arguments
    )
    assert_same_batch(indices, info, expected)
    return indices


def assert_same_batch(indices, info, expected):
    """Check the answer of ``select(..., return_info=True)`` against the oracle's batch."""
    assert indices.dtype == np.int64
    np.testing.assert_array_equal(indices, expected.indices)
    assert info.eligible_rows == expected.cluster_sizes.sum()
    if not len(indices):
        return  # nothing was to be picked: no row is assigned
    np.testing.assert_array_equal(info.clusters, expected.clusters)
    np.testing.assert_array_equal(info.ranks, expected.ranks)
    np.testing.assert_array_equal(info.scores, expected.scores)
    np.testing.assert_array_equal(info.distances, expected.distances)
    np.testing.assert_array_equal(info.cluster_sizes, expected.cluster_sizes)
    np.testing.assert_array_equal(
        info.cluster_counts,
        np.bincount(expected.clusters, minlength=len(expected.cluster_sizes)),
    )


def assert_balanced(counts, sizes):
    """Check that counts differ by at most 1, except where the smaller cluster is exhausted."""
    for c, count in enumerate(counts):
        if count < sizes[c]:
            assert counts.max() <= count + 1


def error_of(capsys, status):
    """Check that a command failed as a mistake should, and return what it said."""
    captured = capsys.readouterr()
    assert (status, captured.out) == (2, "")
    assert re.fullmatch(r"ally-fast: error: [^\n]{1,282}\n", captured.err)
    return captured.err


def with_options(command, *options):
    """Return a command with some options more, or anew: each may be given once."""
    kept, options, replaced = [], [str(option) for option in options], False
    for word in command:
        if word.startswith("-"):
            replaced = word in options
        if not replaced:
            kept.append(word)
    return kept + options
