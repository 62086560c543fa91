"""BADGE: diverse gradients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ally_fast.cluster.arguments import checked_pool
from ally_fast.ops.d2_sample_outer import d2_sample_outer
from ally_fast.pools import as_pool
from ally_fast.rows import Rows
from ally_fast.strategies.contract import Context
from ally_fast.strategies.parameters import Parameters
from ally_fast.strategies.pieces import (
    check_pool_squares,
    class_probabilities,
    embeddings_named,
    host_pool,
    part_of,
)
from ally_fast.strategies.request import NO_ROWS, Request, demand_classification, open_request


class BADGE(Parameters):
    """Draw rows whose gradients are large and differ from one another, by k-means++.

    The gradient embedding of a row is the gradient of the cross-entropy with respect to the last
    layer, with the model's own prediction as the target. It is the outer product of
    ``p - onehot(argmax p)`` and the embedding. The batch is a D-squared sample of these gradients,
    exact in law.

    Notes
    -----
    Needs ``embeddings`` (the input of the last layer) and ``probabilities``: a classification task.
    The gradient embeddings are never formed. Time: at most O(n b (C + d)), usually far less.
    Memory: 32 bytes a row. It computes on the CPU. Probabilities by chunk, pools that are not an
    array, and rows on a GPU are read into host memory.

    The first pick is uniform, as in k-means++ (some code takes the largest gradient). Among equally
    probable classes, the lowest is the prediction. If no gradient is left (the model is sure of the
    remaining rows), the lowest rows follow. The same probabilities, embeddings and seed give the
    same answer on any machine. Source: Ash, Zhang, Krishnamurthy, Langford, Agarwal, "Deep batch
    active learning by diverse, uncertain gradient lower bounds", ICLR 2020.
    """

    name = "BADGE"

    def query(self, context: Context, b: int) -> NDArray[np.int64]:
        """Return `b` rows in the order of the draw; see `Strategy`."""
        demand_classification(self.name, context)
        request = open_request(self.name, context, b, "embeddings", "probabilities")
        pool = checked_pool(host_pool(self.name, context))
        if request.b == 0:
            return NO_ROWS.copy()
        left, targets = self._left(context, request)
        right = pool.read(0, pool.n)
        check_pool_squares(self.name, request, right)
        with embeddings_named(self.name):
            picks = d2_sample_outer(
                left,
                right,
                request.b,
                context.seed,
                targets=targets,
                positions=request.positions(),
            )
        pool.check()
        return picks

    def _left(self, context: Context, request: Request) -> tuple[Rows, NDArray[np.int64]]:
        """Return the probabilities, unchanged if they are an array, and the predicted classes."""
        piece = context.probabilities
        pool = None if callable(piece) else as_pool(piece, "probabilities")
        if pool is not None and pool.device != "cpu":
            pool = None
        targets = np.zeros(request.n, np.int64)
        collected: NDArray[np.float64] | None = None
        for lo, hi, keep in request.chunks():
            part = class_probabilities(self.name, "probabilities", part_of(piece, lo, hi), keep, lo)
            targets[lo:hi] = part.argmax(axis=1)
            if pool is None:
                if collected is None:
                    collected = np.zeros((request.n, part.shape[1]))
                collected[lo:hi] = part
        if pool is not None:
            return pool.read(0, request.n), targets
        assert collected is not None  # there are rows, since b is above 0
        return Rows(collected), targets
