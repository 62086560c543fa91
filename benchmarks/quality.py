"""Inertia over the whole pool, one way for every engine, outside the timing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

BLOCK_ROWS = 16384


def inertia(
    rows: np.ndarray, centroids: np.ndarray, assignments: np.ndarray, threads: int
) -> float:
    """Sum the squared distances of all rows to the centroids they were assigned to.

    Equivalent to ``((rows.astype("f8") - centroids[assignments]) ** 2).sum()``, in blocks. An
    engine that assigns a row to anything but its nearest centroid only makes its own value worse.

    Parameters
    ----------
    rows : numpy.ndarray of shape (n, d)
        The whole pool; nothing is sampled.
    centroids : numpy.ndarray of shape (k, d)
        Centroids.
    assignments : numpy.ndarray of shape (n,), any integer
        Cluster of every row.
    threads : int
        Threads to use.

    Returns
    -------
    float
        The sum, in float64, blocks added in order.
    """
    exact = np.asarray(centroids, dtype=np.float64)

    def block_sum(first: int) -> float:
        part = slice(first, first + BLOCK_ROWS)
        difference = rows[part] - exact[assignments[part]]
        return float(np.einsum("ij,ij->", difference, difference))

    with ThreadPoolExecutor(threads) as workers:
        return float(sum(workers.map(block_sum, range(0, len(rows), BLOCK_ROWS))))
