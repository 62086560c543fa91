"""ALLY: the wings meet. Dual scores from the learning side, a batch from the selection side."""

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
    """Take the rows of highest predicted multiplier from each of `k` clusters of the pool.

    Parameters
    ----------
    k : int or float, optional
        Number of clusters, lowered to `b` if above it, unless ``centroids`` are given; a float in
        (0, 1] is a share of `b`; `b` of them if None.
    allocation : "equal", "proportional", "sqrt" or array, shape (k,)
        How the batch is shared out over the clusters.
    radius : float, optional
        Rows within it of a labeled row, or of an earlier pick, are never taken.
    max_score_quantile : float, optional
        In (0, 1]. Rows predicted above this quantile of the eligible rows' scores are never taken
        (suspected outliers or mislabeled rows).
    head : object with ``fit`` and ``score``, optional
        `ally_fast.primal_dual.DualHead`, seeded by the context, if None.
    **options
        Further arguments of `ally_fast.select`, such as ``metric``, ``engine``, ``centroids``.

    Notes
    -----
    Needs ``embeddings`` and either ``dual_scores``, or ``labeled_embeddings`` and ``multipliers``
    (and torch), with `radius` ``labeled_embeddings`` in any case. Cost: fitting the head on the
    labeled set, one pass of it over the pool (8 bytes a row), and `ally_fast.select`. Source:
    Elenter, NaderiAlizadeh, Ribeiro, "A Lagrangian duality approach to active learning", NeurIPS
    2022, Algorithm 2.

    Where it deviates from the paper:

    - Algorithm 2 takes ``floor(b / k)`` rows of each cluster: fewer than `b` where `k` does not
      divide `b`, and undefined for clusters that are smaller. Here every cluster gives its best row
      before any gives its second, and so on, until there are exactly `b`; for `k` dividing `b` and
      clusters of ``b / k`` rows at least this is Algorithm 2.
    - k-means is trained on at most 256 rows a cluster; all rows are then assigned exactly.
    - The paper's `k` is a constant at most `b`; without one `k` is `b`, the end of the paper's
      ablation that did best (Appendix D.1).
    - The dual head's last layer is linear, its targets are standardised and its scores clamped at
      0, in place of a final rectifier, which dies where multipliers are small.
    - `radius` (suggested in Appendix D.2 against rows already labeled) blocks picks of the same
      batch, too. `max_score_quantile` is suggested in section 5.4. Both are off by default.
    - Rows of equal score are taken in order of index; the paper does not say.
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
        """Return the score at the quantile: that of a row, the lower one between two."""
        if self.max_score_quantile is None:
            return None
        eligible = request.eligible
        counts = np.ones(request.n, np.bool_) if eligible is None else eligible
        values = vector(self.name, "dual_scores", scores, counts, 0)[counts]
        return float(np.quantile(values, self.max_score_quantile, method="lower"))
