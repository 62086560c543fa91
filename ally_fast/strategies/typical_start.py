"""A first batch, before there are any labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import checks
from ally_fast.cluster.arguments import METRICS, checked_pool
from ally_fast.cluster.choose_engine import choose_engine
from ally_fast.cluster.fit import MAX_ITER, TOL, TrainingOptions
from ally_fast.cluster.kmeans import train
from ally_fast.cluster.loaded_rows import loaded
from ally_fast.cluster.magnitude import LARGEST
from ally_fast.cluster.training import training_size
from ally_fast.ops.assign import assign, packed_points, squared_distances
from ally_fast.ops.sample_rows import sample_rows
from ally_fast.pools.pool import Pool, as_float
from ally_fast.pools.reading import gather_rows
from ally_fast.rows import Rows
from ally_fast.strategies.clustered import check_clusters, clusters_for, round_robin
from ally_fast.strategies.contract import Context
from ally_fast.strategies.parameters import Parameters
from ally_fast.strategies.pieces import check_magnitude, host_pool
from ally_fast.strategies.request import NO_ROWS, Request, open_request

_MOST = 1024  # rows of a cluster whose typicality is measured


class TypicalStart(Parameters):
    """Take the most typical row of each of `k` clusters: a first batch, without any labels.

    The typicality of a row is 1 over its mean distance to its 20 nearest neighbours in its cluster.

    Parameters
    ----------
    k : int or float, optional
        Number of clusters. A float in (0, 1] is a share of `b`; None means `b` clusters. A number
        above `b` is lowered to `b`. Every cluster gives its most typical row before any gives its
        second.
    neighbours : int
        Number of neighbours; in a smaller cluster, all other rows.
    train_size : "auto", None or int
        Number of rows to draw at random. k-means trains on them, and the batch comes from them.
        "auto": ``max(256 k, b)``. None: all rows.
    metric : "euclidean" or "cosine"
        "cosine" compares rows at unit length.

    Notes
    -----
    Needs ``embeddings``. In a cluster with more than 1024 drawn rows, only the first 1024 in the
    order of the draw have a typicality. The other rows come after them, as does a row that is alone
    in its cluster. Ties go to the lower index; the answer is the same on any machine.

    It reads only the drawn rows, and reads them twice. Memory: the drawn rows twice (once as
    float32, for k-means). Time: k-means, assigning ``256 k`` rows, and at most 512 exact distances
    a row, or about 128 if clusters have similar sizes. It computes on the CPU; rows on a GPU are
    copied to the host. Source: Hacohen, Dekel, Weinshall, "Active learning on a budget: opposite
    strategies suit high and low budgets" (TypiClust), ICML 2022. The paper clusters all rows, and
    passes over clusters that have a label. Here there are no labels yet, and a sample is clustered.

    Examples
    --------
    >>> import numpy as np
    >>> from ally_fast.strategies import Context
    >>> embeddings = np.array([[0.0], [1.0], [1.5], [9.0], [9.1]], np.float32)
    >>> TypicalStart().query(Context(embeddings=embeddings), b=2)
    array([3, 1])
    """

    name = "TypicalStart"

    def __init__(
        self,
        k: int | float | None = None,
        *,
        neighbours: int = 20,
        train_size: Any = "auto",
        metric: str = "euclidean",
    ) -> None:
        check_clusters(k)
        checks.integer(neighbours, "neighbours", 1)
        if train_size is not None and not isinstance(train_size, str):
            checks.integer(train_size, "train_size", 1)
        elif train_size is not None:
            checks.choice(train_size, "train_size", ("auto",))
        checks.choice(metric, "metric", METRICS)
        self.k = k
        self.neighbours = neighbours
        self.train_size = train_size
        self.metric = metric

    def query(self, context: Context, b: int) -> NDArray[np.int64]:
        """Return `b` rows, the most typical rows of all clusters first; see `Strategy`."""
        request = open_request(self.name, context, b, "embeddings")
        pool = checked_pool(host_pool(self.name, context))
        if request.b == 0:
            return NO_ROWS.copy()
        indices, positions, rows, clusters = self._clustered(pool, request, context.seed)
        distances = np.full(len(indices), np.inf)
        order = np.lexsort((positions, clusters))  # within a cluster in the order of the draw
        for members in np.split(order, np.flatnonzero(np.diff(clusters[order])) + 1):
            measured = members[:_MOST]
            distances[measured] = _mean_distances(_points(rows, measured), self.neighbours)
        return indices[round_robin(clusters, distances, indices)[: request.b]]

    def _clustered(
        self, pool: Pool, request: Request, seed: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Rows, NDArray[np.int32]]:
        """Return the drawn rows, ascending: indices, positions in the draw, rows, clusters."""
        eligible = request.eligible
        count = request.n if eligible is None else int(np.count_nonzero(eligible))
        k, normalize = clusters_for(self.k, request.b), self.metric == "cosine"
        size = min(count, max(training_size(self.train_size, k, count), request.b))
        options = TrainingOptions(k, size, MAX_ITER, TOL, seed, normalize)
        trained = train(pool, choose_engine("auto"), options, eligible=eligible, progress=False)
        draw = sample_rows(request.n, size, seed, eligible)  # those that k-means was trained on
        positions = np.argsort(draw)
        indices = draw[positions]
        read = gather_rows(pool, indices)
        pool.check()
        if read.array.dtype == np.float64 and not normalize:
            check_magnitude(self.name, "embeddings", read.array, indices, LARGEST)
        rows = read.seen(normalize)
        clusters, _ = assign(rows, packed_points(trained.centroids))
        return indices, positions, rows, clusters


def _points(rows: Rows, members: NDArray[np.int64]) -> NDArray[np.floating]:
    """Return rows as they are compared: float64 stays float64, unit rows are float32."""
    if rows.array.dtype == np.float64 and not rows.normalize:
        return as_float(rows.taken(members))
    return loaded(rows.seen(rows.normalize, members))[0]


def _mean_distances(points: NDArray[np.floating], neighbours: int) -> NDArray[np.float64]:
    """Return each point's mean distance to its nearest neighbours; infinite without any."""
    m = len(points)
    if m < 2:
        return np.full(m, np.inf)
    left, right = np.triu_indices(m, 1)
    pairs = Rows(points).seen(False, left)
    squares = squared_distances(pairs, packed_points(points), right.astype(np.int32))
    table = np.full((m, m), np.inf)
    table[left, right] = table[right, left] = squares
    count = min(neighbours, m - 1)
    nearest = np.sort(np.partition(table, count - 1, axis=1)[:, :count], axis=1)
    # One column after the other: NumPy's own sum takes another order on another machine.
    total = np.zeros(m)
    for column in np.sqrt(nearest).T:
        total += column
    means: NDArray[np.float64] = total / count
    return means
