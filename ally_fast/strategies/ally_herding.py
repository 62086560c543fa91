"""ALLY Herding: cover the rows with high predicted multipliers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.pools.pool import as_float, is_wide
from ally_fast.pools.reading import gather_rows
from ally_fast.strategies.contract import Context
from ally_fast.strategies.herding import Herding
from ally_fast.strategies.multiplier_head import Head, check_head, demand_scores, fitted_head
from ally_fast.strategies.pieces import host_pool, network_rows, vector
from ally_fast.strategies.request import Request


class ALLYHerding(Herding):
    """Cover the rows that are hard to learn: `MaxHerding` with targets weighted by dual variables.

    `ALLY` takes the best row of each cluster, which may be any row with a high multiplier. This
    strategy takes the row that represents most of them.

    Parameters
    ----------
    head : object with ``fit`` and ``score``, optional
        Model that predicts multipliers from embeddings. None: `ally_fast.primal_dual.DualHead`,
        seeded by the context.
    **options
        Those of `MaxHerding`: ``width``, ``targets``, ``metric``.

    Notes
    -----
    Needs ``embeddings``, ``labeled_embeddings``, and either ``dual_scores`` or the ``multipliers``
    of the labeled set (and torch). From multipliers, a head learns to predict those of the targets.
    Dual scores below 0 count as 0; if all are 0, all targets weigh the same. `MaxHerding` says what
    is exact, what is bounded, and the cost in time and memory. Source: the weights are those of
    Elenter, NaderiAlizadeh, Ribeiro, NeurIPS 2022; weighting coverage by uncertainty is from Bae,
    Oliveira, Sutherland, ICLR 2025. The combination is this package's own.

    Examples
    --------
    >>> import numpy as np
    >>> from ally_fast.strategies import Context
    >>> rows = np.array([[0.0], [1.0], [1.5], [9.0], [9.1]])
    >>> scores = np.array([0.5, 0.0, 0.0, 0.8, 1.0])
    >>> context = Context(
    ...     embeddings=rows, dual_scores=scores, labeled_embeddings=np.empty((0, 1))
    ... )
    >>> ALLYHerding(width=1.0).query(context, b=2)
    array([4, 0])
    """

    name = "ALLYHerding"

    def __init__(self, head: Head | None = None, **options: Any) -> None:
        super().__init__(**options)
        check_head(head)
        self.head = head
        self.options = options

    def query(self, context: Context, b: int) -> NDArray[np.int64]:
        """Return `b` rows in the order of the picks; see `Strategy`."""
        demand_scores(self.name, context)
        return super().query(context, b)

    def _weights(
        self, context: Context, request: Request, indices: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        scores = context.dual_scores
        if scores is not None:
            eligible = request.eligible
            counts = np.ones(request.n, np.bool_) if eligible is None else eligible
            values = vector(self.name, "dual_scores", scores, counts, 0)[indices]
        else:
            pool = host_pool(self.name, context)
            head = fitted_head(self.name, context, pool, self.head)
            read = as_float(gather_rows(pool, indices))
            rows = network_rows(self.name, "embeddings", read, indices, is_wide(pool))
            everyone = np.ones(len(indices), np.bool_)
            values = vector(self.name, "dual_scores", head.score(rows), everyone, 0)
        return np.maximum(values, 0.0)
