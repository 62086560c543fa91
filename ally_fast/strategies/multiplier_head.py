"""The head that learns the multipliers of the labeled set, and predicts those of the pool."""

from __future__ import annotations

import re
from typing import Any, Protocol

import numpy as np

from ally_fast import checks
from ally_fast.cluster.arguments import checked_points
from ally_fast.pools.pool import Pool, is_wide
from ally_fast.strategies.contract import Context
from ally_fast.strategies.pieces import network_rows, torch_device, vector


class Head(Protocol):
    """A model that learns multipliers from embeddings, like `ally_fast.primal_dual.DualHead`."""

    def fit(self, embeddings: Any, multipliers: Any) -> Any:
        """Learn the multipliers, shape (l,), of labeled embeddings, shape (l, d)."""

    def score(self, embeddings: Any) -> Any:
        """Return predicted multipliers, shape (m,), of embeddings, shape (m, d)."""


def check_head(head: Any) -> None:
    """Raise TypeError unless `head` is a head or None."""
    if not (head is None or (hasattr(head, "fit") and hasattr(head, "score"))):
        raise TypeError(f"head: got {checks.shown(head)}, needs an object with fit and score")


def demand_scores(strategy: str, context: Context) -> None:
    """Raise ValueError without dual scores, and without multipliers to predict them from."""
    if context.dual_scores is not None:
        return
    if context.multipliers is None:
        raise ValueError(
            f"{strategy}: the context lacks dual_scores, or labeled_embeddings and multipliers to "
            "predict them from"
        )
    context.demand(strategy, "labeled_embeddings")


def fitted_head(strategy: str, context: Context, pool: Pool, head: Head | None) -> Head:
    """Fit the head, by default a `DualHead`, to the context's multipliers, and return it."""
    points = checked_points(context.labeled_embeddings, "labeled_embeddings", pool.d, False)
    count = np.ones(len(points), np.bool_)
    multipliers = vector(strategy, "multipliers", context.multipliers, count, 0)
    if head is None:
        from ally_fast.primal_dual import DualHead

        head = DualHead(seed=context.seed, device=torch_device(context, pool))
    rows = network_rows(strategy, "labeled_embeddings", points, 0, is_wide(pool))
    try:
        head.fit(rows, multipliers.astype(np.float32))
    except ValueError as error:  # what the head calls embeddings are the labeled ones
        renamed = re.sub(r"^embeddings\b", "labeled_embeddings", str(error))
        raise ValueError(f"{strategy}: {renamed}") from error
    return head
