"""Native k-means: a start on nested samples, then Lloyd's iterations, the same on any machine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ally_fast.cluster.fit import Fit
from ally_fast.ops.assign import assign, centroid_table
from ally_fast.ops.centroid_update import centroid_update
from ally_fast.ops.d2_sample import d2_sample

# Rows per centroid of the samples that the start climbs; chosen by measurement.
START_LEVELS = (16, 64)
START_ITERATIONS = 8
START_TOL = 1e-2
# A cluster tighter than this, relative to its norms, holds copies of one row.
_COPIES = 1e-12
# How far the halves of a split cluster start apart, relative to its root-mean-square radius.
_SPLIT = 1e-2


def fit_lloyd(
    rows: NDArray[np.float32],
    k: int,
    *,
    max_iter: int,
    tol: float,
    seed: int,
    normalize: bool,
    advance: Callable[[int], None],
) -> Fit:
    """Train `k` centroids on float32 rows that come in random order.

    Parameters
    ----------
    rows : ndarray of float32, shape (t, d), contiguous, finite
        In random order, so that every prefix is a sample. Unit rows if `normalize`.
    k : int
        ``1 <= k <= t``.
    max_iter, tol : int, float
        Stop once inertia falls by less than `tol` of itself, at the latest after `max_iter`
        iterations over all rows.
    seed : int
        For the start.
    normalize : bool
        Scale centroids to unit length (cosine).
    advance : callable
        Called with 1 after each iteration over all rows.

    Returns
    -------
    Fit

    Notes
    -----
    Start: D-squared sampling on a prefix, then a few iterations on growing prefixes, which costs a
    fraction of the iterations over all rows it saves. Each iteration is one certified assignment,
    O(t k d) in low precision, and one pass of fixed-order float64 sums.
    """
    levels = [per_centroid * k for per_centroid in START_LEVELS if per_centroid * k < len(rows)]
    first = rows[: levels[0]] if levels else rows
    centroids = rows[d2_sample(first, k, seed)]
    for level in levels:
        prefix = rows[:level]
        centroids, _, _ = _iterate(
            prefix, centroids, START_ITERATIONS, START_TOL, normalize, lambda _: None
        )
    centroids, inertia, n_iter = _iterate(rows, centroids, max_iter, tol, normalize, advance)
    return Fit(centroids, inertia, n_iter)


def _iterate(
    rows: NDArray[np.float32],
    centroids: NDArray[np.float32],
    max_iter: int,
    tol: float,
    normalize: bool,
    advance: Callable[[int], None],
) -> tuple[NDArray[np.float32], float, int]:
    """Lloyd's iterations until inertia falls by less than `tol` of itself."""
    before, inertia, n_iter = np.inf, np.inf, 0
    for n_iter in range(1, max_iter + 1):
        assignments, _ = assign(rows, centroid_table(centroids))
        sums, squares, counts = centroid_update(rows, assignments, len(centroids))
        spread = _within(sums, squares, counts)
        centroids = _means(sums, counts, spread, centroids, normalize)
        inertia = float(spread.sum())
        advance(1)
        if n_iter > 1 and before - inertia <= tol * before:
            break
        before = inertia
    return centroids, inertia, n_iter


def _within(
    sums: NDArray[np.float64], squares: NDArray[np.float64], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return each cluster's sum of squared distances to its mean."""
    spread = squares - np.square(sums).sum(axis=1) / np.maximum(counts, 1)
    return np.where(spread > _COPIES * squares, spread, 0.0)


def _means(
    sums: NDArray[np.float64],
    counts: NDArray[np.int64],
    spread: NDArray[np.float64],
    old: NDArray[np.float32],
    normalize: bool,
) -> NDArray[np.float32]:
    """Return the clusters' means; each empty one takes half of the cluster of largest spread."""
    means = sums / np.maximum(counts, 1)[:, None]
    empty = np.flatnonzero(counts == 0)
    means[empty] = old[empty]
    spread = spread.copy()
    sign = np.where(np.arange(means.shape[1]) % 2 == 0, 1.0, -1.0)
    for c in empty:
        largest = int(spread.argmax())
        if spread[largest] == 0:
            break  # fewer distinct rows than clusters: nothing to split
        radius = np.sqrt(spread[largest] / counts[largest] / means.shape[1])
        means[c] = means[largest] + _SPLIT * radius * sign
        means[largest] -= _SPLIT * radius * sign
        spread[largest] /= 2
        spread[c] = spread[largest]
        counts[c] = counts[largest] = max(counts[largest] // 2, 1)
    if normalize:
        norms = np.sqrt(np.square(means).sum(axis=1, keepdims=True))
        means = np.divide(means, norms, out=np.zeros_like(means), where=norms > 0)
    return means.astype(np.float32)
