"""The per-cluster best rows, the tail behind every rival's k-means: in NumPy, and in torch."""

from __future__ import annotations

from typing import Any

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


def best_per_cluster_on_device(torch: Any, labels: Any, scores: Any, b: int, k: int) -> Any:
    """Take b rows, as evenly from the clusters as they allow, best scores first.

    The steps of ``best_per_cluster`` in torch, with one sort: cluster and score make one 64-bit
    key. Then only the first rows of each cluster are looked at.

    Parameters
    ----------
    torch : module
    labels : tensor of shape (n,), any integer
    scores : tensor of shape (n,), float32
    b, k : int
        Rows to take, clusters.

    Returns
    -------
    tensor of shape (min(b, n),), int64
        Rows of least (rank in the cluster, -score).
    """
    bits = scores.view(torch.int32)
    falling = torch.where(bits < 0, bits & 0x7FFFFFFF, ~bits & 0x7FFFFFFF | (-1 << 31))
    key = (labels.long() << 32) | (falling.long() + (1 << 31))
    order = torch.sort(key).indices
    sizes = torch.bincount(labels.long(), minlength=k)
    starts = torch.cumsum(sizes, 0) - sizes
    most = most_per_cluster(sizes.cpu().numpy(), min(b, len(scores)))
    offered = sizes.clamp(max=most)
    cluster = torch.repeat_interleave(torch.arange(k, device=labels.device), offered)
    first = torch.cumsum(offered, 0) - offered
    rank = torch.arange(len(cluster), device=labels.device) - first[cluster]
    candidates = order[starts[cluster] + rank]
    by_score = torch.sort(scores[candidates], descending=True, stable=True).indices
    by_rank = torch.sort(rank[by_score], stable=True).indices
    return candidates[by_score[by_rank]][:b]


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
