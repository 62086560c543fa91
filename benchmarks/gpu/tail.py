"""The batch in torch, the tail behind every rival's labels."""

from __future__ import annotations

from typing import Any

from benchmarks.tail import most_per_cluster


def best_per_cluster(torch: Any, labels: Any, scores: Any, b: int, k: int) -> Any:
    """Take b rows, as evenly from the clusters as they allow, best scores first.

    The steps of ``benchmarks.tail.best_per_cluster`` with one sort: cluster and score make one
    64-bit key. Then only the first rows of each cluster are looked at.

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
