"""The arguments of `select`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False, kw_only=True)
class Arguments:
    """The arguments of `select`, not yet checked; `select` describes them."""

    embeddings: Any
    dual_scores: Any
    b: Any
    k: Any
    allocation: Any
    exclude: Any
    ids: Any
    exclude_ids: Any
    unknown_ids: Any
    groups: Any
    min_per_group: Any
    max_per_group: Any
    cost: Any
    cost_budget: Any
    labeled_embeddings: Any
    radius: Any
    max_score: Any
    tie_break: Any
    centroids: Any
    train_size: Any
    max_iter: Any
    tol: Any
    metric: Any
    engine: Any
    device: Any
    seed: Any
    threads: Any
    chunk_rows: Any
    progress: bool
