"""Native k-means: moving averages over batches, relocation, then full iterations.

Training visits the rows, which come in random order, in slices that grow: 16 rows for each
centroid, then four times as many, and so on up to all. Within a slice, each batch of rows is
assigned, and blended into moving averages of the clusters' sizes and sums. The centroids follow
the ratio of the two. After a slice, centroids that are hardly missed move to clusters that two
centroids serve better, as long as that pays. A slice size is repeated while much moves. Lloyd's
iterations over all rows end the training.

The ops do all arithmetic on arrays, and give the same bits everywhere. Decisions compare a few
sums.

Source of the averages over batches with a falling step: e-means (Bessa et al., arXiv 2611.09501).
How the numbers below were chosen: docs/performance.md.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np

from ally_fast.cluster.fit import Fit, FitOptions
from ally_fast.cluster.relocation import MUCH, Relocation
from ally_fast.clusters import ClusterAverages, Clustering
from ally_fast.memory import beside, join, take_rows, zeros
from ally_fast.ops.assign import assign, packed_points
from ally_fast.ops.centroid_update import centroid_update
from ally_fast.ops.cluster_sums import cluster_sums
from ally_fast.ops.feature_grid import feature_grid
from ally_fast.rows import Rows

Array: TypeAlias = Any  # an ndarray or a DeviceArray; all of a training are in the same memory

STEP = 0.5  # weight of a batch in the averages
BATCH, FEWEST = 8, 512  # rows of a batch: for each centroid, and at least
SLICE, GROWTH = 16, 4  # rows of the first slice for each centroid; how many times more in the next
REPEATS = 4  # slices of one size, at most


def fit_by_averages(rows: Array, k: int, options: FitOptions) -> Fit:
    """Train `k` centroids on float32 rows that come in random order.

    Parameters
    ----------
    rows : ndarray or DeviceArray of float32, shape (t, d), contiguous, finite
        In random order, so that every slice is a sample. Unit rows if ``options.normalize``.
    k : int
        ``1 <= k <= t``.
    options : FitOptions

    Returns
    -------
    Fit
    """
    training = _Training(rows, k, options)
    spread = training.grow()
    return training.iterate(spread)


def most_passes(t: int, k: int, max_iter: int) -> int:
    """Return the largest number of passes that `fit_by_averages` reports."""
    sizes = math.ceil(math.log(max(1.0, t / (SLICE * k)), GROWTH))
    return REPEATS * sizes + 1 + max_iter


class _Training:
    """Centroids in training."""

    def __init__(self, rows: Array, k: int, options: FitOptions) -> None:
        self._rows, self._k, self._options = rows, k, options
        self._grid = feature_grid(rows)
        self._batch = min(len(rows), max(FEWEST, BATCH * k))
        start = options.start
        self._centroids = take_rows(rows, np.arange(k)) if start is None else beside(rows, start)
        self._averages = ClusterAverages(
            zeros((k,), np.float64, rows), zeros(self._centroids.shape, np.float64, rows)
        )
        self._relocation = Relocation()

    def grow(self) -> float:
        """Visit slices up to all rows; return the last one's spread about its clusters' means."""
        t, at, repeated = len(self._rows), 0, 0
        size = min(t, SLICE * self._k * (1 if self._options.start is None else GROWTH))
        while True:
            last = size == t
            at = 0 if last or at + size > t else at
            part = self._rows[at : at + size]
            assignments = self._visit(part, falling=last)
            gain, spread = self._relocate(part, assignments)
            self._options.advance(1)
            if last:
                # Where centroids are normalized, they are not the means that relocation leaves.
                return self._spread(assignments) if self._options.normalize else spread
            at, repeated = at + size, repeated + 1
            if gain < MUCH * spread or repeated == REPEATS:
                size, repeated = min(t, GROWTH * size), 0

    def _update(self, sums: Any, *, keep: float, add: float) -> None:
        centroid_update(
            sums,
            self._grid,
            self._averages,
            self._centroids,
            keep=keep,
            add=add,
            normalize=self._options.normalize,
        )

    def _visit(self, part: Array, *, falling: bool) -> Array:
        """Blend the batches of a slice; return the cluster that each row had at that moment."""
        parts = []
        for lo in range(0, len(part), self._batch):
            batch = part[lo : lo + self._batch]
            assignments, _ = assign(Rows(batch), packed_points(self._centroids))
            sums, _ = cluster_sums(batch, assignments, self._k, self._grid)
            step = STEP
            if falling:
                step *= (1 + math.cos(math.pi * (lo + len(batch)) / len(part))) / 2
            self._update(sums, keep=1 - step * len(batch) / self._batch, add=step)
            parts.append(assignments)
        return join(parts)

    def _relocate(self, part: Array, assignments: Array) -> tuple[float, float]:
        """Move centroids by the clusters of a slice; return the first round's gain, and the spread.

        Afterwards centroids are the means of the clusters, and averages their sums.
        """
        sums, _ = cluster_sums(part, assignments, self._k, self._grid)
        means = take_rows(self._centroids, np.arange(self._k))
        centroid_update(sums, self._grid, self._averages, means, keep=0.0, add=1.0, normalize=False)
        first, spread = self._relocation.run(Clustering(part, assignments, means, sums, self._grid))
        self._update(sums, keep=0.0, add=self._batch / len(part))
        return first, spread

    def iterate(self, spread: float) -> Fit:
        """Iterate over all rows until the spread falls by less than `tol` of itself."""
        rows, options = self._rows, self._options
        iterations, fallen = 0, True
        assignments = None
        while fallen and iterations < options.max_iter:
            assignments, _ = assign(Rows(rows), packed_points(self._centroids))
            sums, words = cluster_sums(
                rows, assignments, self._k, self._grid, centroids=self._centroids
            )
            self._update(sums, keep=0.0, add=1.0)
            before, spread = spread, self._grid.distance(words)
            fallen = before - spread > options.tol * before
            iterations += 1
            options.advance(1)
        return Fit(self._centroids, self._spread(assignments), iterations, self._grid)

    def _spread(self, assignments: Array) -> float:
        """Return the sum of squared distances of all rows to the centroids of their clusters."""
        _, words = cluster_sums(
            self._rows, assignments, self._k, self._grid, centroids=self._centroids
        )
        return self._grid.distance(words)
