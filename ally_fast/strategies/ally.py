"""ALLY: a batch by `ally_fast.select` from dual scores, predicted by a head if need be."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import checks
from ally_fast.pools import as_pool
from ally_fast.pools.pool import Pool, as_float, is_wide
from ally_fast.strategies.clustered import best_of_clusters, check_clusters, clusters_for
from ally_fast.strategies.contract import Context
from ally_fast.strategies.multiplier_head import Head, check_head, demand_scores, fitted_head
from ally_fast.strategies.parameters import Parameters
from ally_fast.strategies.pieces import network_rows, vector
from ally_fast.strategies.request import NO_ROWS, Request, open_request


class ALLY(Parameters):
    """Take the rows with the highest predicted multipliers from each of `k` clusters of the pool.

    Parameters
    ----------
    k : int or float, optional
        Number of clusters. A float in (0, 1] is a share of `b`; None means `b` clusters. A number
        above `b` is lowered to `b`, unless you give ``centroids``.
    allocation : "equal", "proportional", "sqrt" or array, shape (k,)
        How clusters share the batch.
    radius : float, optional
        Rows within this distance of a labeled row, or of an earlier pick, are never taken.
    max_score_quantile : float, optional
        In (0, 1]. Rows that score above this quantile of the eligible rows are never taken: they
        may be outliers, or mislabeled.
    head : object with ``fit`` and ``score``, optional
        Model that predicts multipliers from embeddings. None: `ally_fast.primal_dual.DualHead`,
        seeded by the context.
    **options
        Further arguments of `ally_fast.select`, such as ``metric``, ``engine``, ``centroids``.

    Notes
    -----
    Needs ``embeddings``, and either ``dual_scores``, or ``labeled_embeddings`` and ``multipliers``
    (and torch). With `radius` it needs ``labeled_embeddings`` in any case. Cost: fitting the head
    on the labeled set, one pass of the head over the pool (8 bytes a row), and `ally_fast.select`.
    Source: Elenter, NaderiAlizadeh, Ribeiro, "A Lagrangian duality approach to active learning",
    NeurIPS 2022, Algorithm 2.

    It differs from the paper in these points:

    - Algorithm 2 takes ``floor(b / k)`` rows from each cluster. That is fewer than `b` if `k` does
      not divide `b`, and it is undefined for smaller clusters. Here every cluster gives its best
      row before any gives its second, and so on, until there are exactly `b`. If `k` divides `b`
      and every cluster has at least ``b / k`` rows, this is Algorithm 2.
    - k-means trains on at most 256 rows for each cluster; then all rows are assigned exactly.
    - The paper's `k` is a constant, at most `b`. The default here is `b`, the value that did best
      in the paper's ablation (Appendix D.1).
    - The last layer of the dual head is linear, its targets are standardised, and its scores are
      clamped at 0. The paper ends with a rectifier, which dies if multipliers are small.
    - `radius` also keeps picks of the same batch apart; Appendix D.2 suggests it only against
      labeled rows. Section 5.4 suggests `max_score_quantile`. Both are off by default.
    - Rows with equal scores are taken in order of index; the paper does not say.
    """

    name = "ALLY"

    def __init__(
        self,
        k: int | float | None = None,
        *,
        allocation: Any = "equal",
        radius: float | None = None,
        max_score_quantile: float | None = None,
        head: Head | None = None,
        **options: Any,
    ) -> None:
        check_clusters(k)
        if max_score_quantile is not None:
            quantile = checks.number(max_score_quantile, "max_score_quantile")
            if not 0 < quantile <= 1:
                raise ValueError(f"max_score_quantile: got {quantile}, needs a number in (0, 1]")
        check_head(head)
        self.k = k
        self.allocation = allocation
        self.radius = radius
        self.max_score_quantile = max_score_quantile
        self.head = head
        self.options = options

    def query(self, context: Context, b: int) -> NDArray[np.int64]:
        """Return `b` rows in priority order; see `Strategy`."""
        demand_scores(self.name, context)
        needed = ["embeddings"] if self.radius is None else ["embeddings", "labeled_embeddings"]
        request = open_request(self.name, context, b, *needed)
        if request.b == 0:
            return NO_ROWS.copy()
        pool = as_pool(context.embeddings)
        scores = context.dual_scores
        if scores is None:
            scores = self._predicted(context, request, pool)
        return best_of_clusters(
            context,
            request,
            pool,
            scores,
            self._clusters(request.b),
            allocation=self.allocation,
            labeled_embeddings=None if self.radius is None else context.labeled_embeddings,
            radius=self.radius,
            max_score=self._max_score(request, scores),
            **self.options,
        )

    def _clusters(self, b: int) -> int:
        centroids = self.options.get("centroids")
        if centroids is None or isinstance(self.k, float):
            return clusters_for(self.k, b)
        return self.k or len(centroids)

    def _predicted(self, context: Context, request: Request, pool: Pool) -> NDArray[np.float64]:
        """Fit the head on the labeled set; return its scores of eligible rows, 0 elsewhere."""
        head, wide = fitted_head(self.name, context, pool, self.head), is_wide(pool)
        scores = np.zeros(request.n)
        for lo, hi, keep in request.chunks(pool):
            read = as_float(pool.read(lo, hi))
            read[~keep] = 0.0
            rows = network_rows(self.name, "embeddings", read, lo, wide)
            scores[lo:hi] = vector(self.name, "dual_scores", head.score(rows), keep, lo)
        return scores

    def _max_score(self, request: Request, scores: Any) -> float | None:
        """Return the score at the quantile; between two rows, the lower of their scores."""
        if self.max_score_quantile is None:
            return None
        eligible = request.eligible
        counts = np.ones(request.n, np.bool_) if eligible is None else eligible
        values = vector(self.name, "dual_scores", scores, counts, 0)[counts]
        return float(np.quantile(values, self.max_score_quantile, method="lower"))
