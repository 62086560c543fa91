"""GIST: rows that score high and lie far apart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import checks
from ally_fast.cluster.arguments import METRICS, checked_pool
from ally_fast.cluster.loaded_rows import loaded
from ally_fast.ops.k_center_greedy import k_center_greedy
from ally_fast.pools.pool import Pool, as_float
from ally_fast.rows import Rows
from ally_fast.strategies.clustered import best_of_clusters
from ally_fast.strategies.contract import Context
from ally_fast.strategies.near_points import smallest_distance
from ally_fast.strategies.parameters import Parameters
from ally_fast.strategies.pieces import check_pool_squares, embeddings_named, host_pool, vector
from ally_fast.strategies.request import NO_ROWS, Request, open_request


class GIST(Parameters):
    """Take rows that score high and lie far apart, for the best sum of scores and distance.

    The value of a batch is the sum of its scores, plus `trade_off` times the smallest distance
    between two of its rows.

    Parameters
    ----------
    trade_off : float, optional
        At least 0. None: the sum of the `b` highest scores, divided by the smallest distance among
        `b` rows picked farthest first. Then the best scores and the best distance are worth the
        same.
    epsilon : float
        Above 0. The radii to try fall by a factor of ``1 + epsilon``.
    metric : "euclidean" or "cosine"
        "cosine" compares rows at unit length.

    Notes
    -----
    Needs ``embeddings`` and ``dual_scores``: scores of any kind, at least 0. For each radius,
    `ally_fast.select` with one cluster takes the highest scores whose rows lie farther apart. The
    batch with the highest value is returned, or the one with the smaller radius if values are
    equal. The answer is the same on any machine.

    Guarantee: let the best batch of `b` rows have scores ``s`` and the smallest distance ``r``.
    Then the value is at least ``s + trade_off * r / (2 (1 + epsilon))``, or within a factor of
    ``1 + epsilon`` of the best. So it is always at least ``1 / (2 (1 + epsilon))`` of the best.
    Reason: within a radius below ``r / 2`` around a pick, there is at most one row of the best
    batch, and the pick's score is no lower than that row's. So there is always a row left, and the
    scores add up to at least ``s``. Radii begin at ``d``, the smallest distance of a batch that is
    picked farthest first, which is at least half of that of any batch (Gonzalez 1985). They end
    below ``d epsilon / 2``, where the distance adds less than `epsilon` times the value of that
    batch.

    Time: k-center greedy, then one `select` for each radius: 33 of them if `epsilon` is 0.1.
    Memory: that of `CoreSet` and `select`. It computes on the CPU. Source: Fahrbach et al., "GIST:
    greedy independent set thresholding for max-min diversification with submodular utility",
    NeurIPS 2025. A batch of the paper has at most `b` rows, and two rows that are farthest apart
    are a candidate too; its value is within 2/3 of the best for a sum of scores. With exactly `b`
    rows these two are not a batch, and 1/2 remains.

    Examples
    --------
    >>> import numpy as np
    >>> from ally_fast.strategies import Context
    >>> rows = np.array([[0.0], [0.1], [4.0], [4.1], [9.0]])
    >>> scores = np.array([1.0, 0.9, 0.8, 0.9, 0.1])
    >>> GIST(trade_off=0.1).query(Context(embeddings=rows, dual_scores=scores), b=2)
    array([0, 3])
    """

    name = "GIST"

    def __init__(
        self,
        *,
        trade_off: float | None = None,
        epsilon: float = 0.1,
        metric: str = "euclidean",
    ) -> None:
        if trade_off is not None and not 0 <= checks.number(trade_off, "trade_off") < np.inf:
            raise ValueError(f"trade_off: got {trade_off}, needs a number of at least 0")
        if not 0 < checks.number(epsilon, "epsilon") < np.inf:
            raise ValueError(f"epsilon: got {epsilon}, needs a number above 0")
        checks.choice(metric, "metric", METRICS)
        self.trade_off = trade_off
        self.epsilon = epsilon
        self.metric = metric

    def query(self, context: Context, b: int) -> NDArray[np.int64]:
        """Return `b` rows, the highest score first; see `Strategy`."""
        request = open_request(self.name, context, b, "embeddings", "dual_scores")
        pool = checked_pool(host_pool(self.name, context))
        if request.b == 0:
            return NO_ROWS.copy()
        scores = self._scores(context, request)
        best = self._apart(context, request, pool, scores, None)
        far = self._farthest_first(request, pool, best[0])
        reach = self._distance(pool, far)
        if not reach:  # fewer distinct rows, or a single one to pick
            return best
        trade_off = self.trade_off
        if trade_off is None:
            trade_off = math.fsum(scores[best]) / reach
        value = self._value(pool, scores, best, trade_off)
        radii = [reach]
        while radii[-1] > reach * self.epsilon / 2:
            radii.append(radii[-1] / (1 + self.epsilon))
        batches = (self._apart(context, request, pool, scores, radius) for radius in radii[::-1])
        for batch in (*batches, far):
            if len(batch) == request.b:
                new_value = self._value(pool, scores, batch, trade_off)
                if new_value > value:
                    best, value = batch, new_value
        return best[np.lexsort((best, -scores[best]))]

    def _scores(self, context: Context, request: Request) -> NDArray[np.float64]:
        eligible = request.eligible
        counts = np.ones(request.n, np.bool_) if eligible is None else eligible
        scores = vector(self.name, "dual_scores", context.dual_scores, counts, 0)
        if (scores < 0).any():
            row = int((scores < 0).argmax())
            raise ValueError(
                f"{self.name}: dual_scores: got {scores[row]:.3g} in row {row}, needs at least 0"
            )
        return scores

    def _apart(
        self,
        context: Context,
        request: Request,
        pool: Pool,
        scores: NDArray[np.float64],
        radius: float | None,
    ) -> NDArray[np.int64]:
        """Return at most `b` rows with the highest scores that lie farther than `radius` apart."""
        return best_of_clusters(
            context,
            request,
            pool,
            scores,
            1,
            radius=radius,
            cost=None if radius is None else np.zeros(request.n),  # then there may be fewer
            cost_budget=None if radius is None else 0.0,
            centroids=np.ones((1, pool.d), np.float32),
            metric=self.metric,
        )

    def _farthest_first(self, request: Request, pool: Pool, first: int) -> NDArray[np.int64]:
        rows, normalize = pool.read(0, pool.n), self.metric == "cosine"
        if not normalize:
            check_pool_squares(self.name, request, rows)
        with embeddings_named(self.name):
            seen = rows.seen(normalize, request.positions())
            picks: NDArray[np.int64] = k_center_greedy(seen, request.b, first=first)[0]
        pool.check()
        return picks

    def _distance(self, pool: Pool, batch: NDArray[np.int64]) -> float:
        """Return the smallest distance between two rows of a batch."""
        points: NDArray[Any] = as_float(pool.gather(np.sort(batch)))
        if self.metric == "cosine":
            points = loaded(Rows(points, normalize=True))[0]
        if len(np.unique(points, axis=0)) < len(batch):
            return 0.0
        return smallest_distance(points) or 0.0

    def _value(
        self,
        pool: Pool,
        scores: NDArray[np.float64],
        batch: NDArray[np.int64],
        trade_off: float,
    ) -> float:
        # Exact sums: no order of additions decides between two batches.
        return math.fsum(scores[batch]) + trade_off * self._distance(pool, batch)
