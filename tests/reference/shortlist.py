"""The best rows of each cluster, by sorting everything."""

import numpy as np
import numpy.typing as npt


def ranks_in_cluster(assignments: npt.ArrayLike, scores: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Rank each row within its cluster, by score descending, then position ascending.

    Parameters
    ----------
    assignments : array_like, shape (m,), int
    scores : array_like, shape (m,)

    Returns
    -------
    ndarray, shape (m,), int64
        0 for the best row of its cluster.

    Examples
    --------
    >>> ranks_in_cluster([0, 0, 1, 0], [1.0, 3.0, 2.0, 3.0]).tolist()
    [2, 0, 0, 1]
    """
    clusters = np.asarray(assignments)
    values = np.asarray(scores, dtype=np.float64)
    ranks = np.zeros(clusters.shape[0], dtype=np.int64)
    for cluster in np.unique(clusters):
        members = np.flatnonzero(clusters == cluster)
        best_first = members[np.argsort(-values[members], kind="stable")]
        ranks[best_first] = np.arange(members.size)
    return ranks


def shortlist(
    assignments: npt.ArrayLike, scores: npt.ArrayLike, k: int, b: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Keep what an equal allocation of ``b`` picks can need.

    Let ``m`` be the smallest number with ``sum(min(size, m)) >= b`` over the clusters (all rows
    where there are fewer than ``b``); the best ``m`` rows of each cluster are kept.

    Parameters
    ----------
    assignments : array_like, shape (m,), int
    scores : array_like, shape (m,)
    k : int
    b : int

    Returns
    -------
    positions : ndarray, int64
        The rows kept, ascending.
    sizes : ndarray, shape (k,), int64
        Rows of each cluster, kept or not.

    Examples
    --------
    >>> positions, sizes = shortlist([0, 0, 1, 0], [1.0, 3.0, 2.0, 3.0], 2, 3)
    >>> positions.tolist(), sizes.tolist()
    ([1, 2, 3], [3, 1])
    """
    clusters = np.asarray(assignments, dtype=np.int64)
    sizes = np.bincount(clusters, minlength=k).astype(np.int64)
    depth = 0
    while np.minimum(sizes, depth).sum() < min(b, clusters.size):
        depth += 1
    return np.flatnonzero(ranks_in_cluster(clusters, scores) < depth), sizes
