"""The per-cluster best rows in NumPy, the tail behind every rival's k-means."""

from __future__ import annotations

import numpy as np


def best_per_cluster(assignments: np.ndarray, scores: np.ndarray, b: int, k: int) -> np.ndarray:
    """Take b rows, as evenly from the clusters as they allow, best scores first.

    One sort by score, one radix sort by cluster, no Python loop: the order inside a cluster is
    by score, a row's rank is its distance from the start of its cluster, and the b rows of least
    (rank, -score) are the batch.

    Parameters
    ----------
    assignments : numpy.ndarray of shape (n,), any integer
        Cluster of every row.
    scores : numpy.ndarray of shape (n,), float
        Score of every row.
    b, k : int
        Rows to take, clusters.

    Returns
    -------
    numpy.ndarray of shape (min(b, n),), int64
        Row indices; ties fall as NumPy's sort leaves them.
    """
    by_score = np.argsort(-scores)
    small = np.uint16 if k <= 65536 else np.int64  # NumPy sorts 16-bit integers by radix
    clusters = assignments[by_score].astype(small)
    by_cluster = np.argsort(clusters, kind="stable")
    sizes = np.bincount(clusters, minlength=k)
    starts = np.cumsum(sizes) - sizes
    most = most_per_cluster(sizes, min(b, len(scores)))
    offered = np.minimum(sizes, most)
    cluster_of = np.repeat(np.arange(k), offered)
    rank = np.arange(len(cluster_of)) - np.repeat(np.cumsum(offered) - offered, offered)
    candidates = by_score[by_cluster[starts[cluster_of] + rank]]
    order = np.lexsort((-scores[candidates], rank))
    return candidates[order[:b]]


def most_per_cluster(sizes: np.ndarray, b: int) -> int:
    """Find the smallest m with sum(min(size, m)) >= b."""
    low, high = 0, int(sizes.max(initial=0))
    while low < high:
        middle = (low + high) // 2
        if int(np.minimum(sizes, middle).sum()) >= b:
            high = middle
        else:
            low = middle + 1
    return low
