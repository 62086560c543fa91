"""The most typical row of each cluster, by all distances."""

import numpy as np
import numpy.typing as npt

from .assign import assign
from .squared_distance import squared_distance


def typical_rows(
    embeddings: npt.ArrayLike, centroids: npt.ArrayLike, b: int, neighbours: int
) -> npt.NDArray[np.int64]:
    """Return `b` rows: the most typical of each cluster, then the second most typical, and so on.

    A row's typicality is one over the mean distance to its nearest `neighbours` other rows of its
    cluster, or to all of them where they are fewer; a row alone has none. The most typical goes
    first, then the lower index.

    Parameters
    ----------
    embeddings : array_like, shape (n, d)
    centroids : array_like, shape (k, d)
    b, neighbours : int

    Returns
    -------
    ndarray, shape (b,), int64

    Examples
    --------
    >>> typical_rows([[0.0], [1.0], [1.5], [9.0], [9.1]], [[1.0], [9.0]], 2, 2).tolist()
    [3, 1]
    """
    rows = np.asarray(embeddings)
    clusters = assign(rows, centroids)
    offers = []
    for cluster in np.unique(clusters):
        members = np.flatnonzero(clusters == cluster)
        ranked = []
        for row in members:
            others = rows[members[members != row]]
            distances = np.sort(np.sqrt(squared_distance(others, rows[[row]])[:, 0]))[:neighbours]
            total = 0.0
            for distance in distances:
                total += float(distance)
            mean = total / len(distances) if len(distances) else np.inf
            ranked.append((mean, int(row)))
        offers += [(rank, *entry) for rank, entry in enumerate(sorted(ranked))]
    return np.array([row for _, _, row in sorted(offers)[:b]], dtype=np.int64)
