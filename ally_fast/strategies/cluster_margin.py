"""Margin sampling that is spread over clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.pools import as_pool
from ally_fast.strategies.clustered import best_of_clusters, check_clusters, clusters_for
from ally_fast.strategies.contract import Context
from ally_fast.strategies.margin import margin_scores
from ally_fast.strategies.parameters import Parameters
from ally_fast.strategies.request import NO_ROWS, demand_classification, open_request
from ally_fast.strategies.weak_head import warn_if_weak


class ClusterMargin(Parameters):
    """Take, from each of `k` clusters of the pool, the rows with the smallest margins.

    The margin of a row is the difference of its two highest class probabilities.

    Parameters
    ----------
    k : int or float, optional
        Number of clusters. A float in (0, 1] is a share of `b`; None means `b` clusters. A number
        above `b` is lowered to `b`.
    **options
        Further arguments of `ally_fast.select`, such as ``metric``, ``engine``, ``allocation``.

    Warns
    -----
    WeakHeadWarning
        If the context has ``labeled_probabilities`` and they do no better than chance: the margins
        of an underfit model mislead. Each must come from a model that did not see the row
        (cross-validation).

    Notes
    -----
    Needs ``embeddings`` and ``probabilities``: a classification task. The batch is that of
    `ally_fast.select` with minus the margin as the score: the same on any machine, ties to the
    lower index. Cost: one pass over the probabilities, 8 bytes a row, and `select`.

    Source: the margin is from Scheffer, Decomain, Wrobel, IDA 2001. Taking low margins evenly from
    clusters of embeddings is from Citovsky et al., "Batch active learning at scale", NeurIPS 2021.
    They cluster once, by agglomeration; they keep a multiple of `b` of the lowest margins, and go
    round the clusters from the smallest. Here k-means trains anew for each batch, and every cluster
    gives its lowest margin before any gives its second.

    Examples
    --------
    >>> import numpy as np
    >>> from ally_fast.strategies import Context
    >>> embeddings = np.array([[0.0], [0.1], [5.0], [5.1]], np.float32)
    >>> probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.5, 0.5], [0.45, 0.55]])
    >>> context = Context(embeddings=embeddings, probabilities=probabilities)
    >>> ClusterMargin().query(context, b=2)
    array([2, 1])
    """

    name = "ClusterMargin"

    def __init__(self, k: int | float | None = None, **options: Any) -> None:
        check_clusters(k)
        self.k = k
        self.options = options

    def query(self, context: Context, b: int) -> NDArray[np.int64]:
        """Return `b` rows in priority order; see `Strategy`."""
        demand_classification(self.name, context)
        request = open_request(self.name, context, b, "embeddings", "probabilities")
        warn_if_weak(self.name, context)
        if request.b == 0:
            return NO_ROWS.copy()
        scores = np.zeros(request.n)
        for lo, hi, keep in request.chunks():
            scores[lo:hi] = margin_scores(self.name, context, lo, hi, keep)
        k = clusters_for(self.k, request.b)
        return best_of_clusters(
            context, request, as_pool(context.embeddings), scores, k, **self.options
        )
