"""All that the batch of a job depends on; compared before the job continues."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._version import __version__
from ally_fast.pools.chunks import chunks
from ally_fast.pools.fingerprint import Fingerprint
from ally_fast.pools.sharded_pool import ShardedPool
from ally_fast.selection.plan import Plan
from ally_fast.selection.score_function import ScoreFunction

FORMAT = "ally-fast job"
VERSION = 1
_CHUNK_ROWS = 1 << 20
# What messages call an entry that has changed.
_NAMES = {
    "scores": "dual_scores",
    "eligible": "the rows that may be picked (exclusions, scores above max_score, labeled rows)",
    "made_by": "the version of ally-fast",
}
_PLAIN = ("column", "vectors", "metric", "engine", "made_by")  # texts that say what they are


def job_record(plan: Plan, pool: ShardedPool) -> dict[str, Any]:
    """Return all that the batch depends on, ready for JSON."""
    request, rule, training = plan.request, plan.request.rule, plan.request.training
    quotas, costs = request.quotas, request.costs
    return {
        "format": FORMAT,
        "version": VERSION,
        "made_by": __version__,
        "pool": pool.fingerprint().as_json(),
        "column": pool.column_name,
        "vectors": f"{pool.d} {pool.dtype_name}",
        "b": rule.b,
        "k": rule.k,
        "allocation": rule.allocation.name or _digest(rule.weights()),
        "radius": rule.radius,
        "metric": "cosine" if rule.normalize else "euclidean",
        "tie_seed": rule.tie_seed,
        "engine": request.engine.name,
        "seed": training.seed,
        "train_size": training.size,
        "max_iter": training.max_iter,
        "tol": training.tol,
        "centroids": _digest(request.centroids),
        "labeled_embeddings": _digest(request.labeled),
        "eligible": _digest(None if plan.eligible_rows == pool.n else plan.eligible),
        "scores": _digest_of_scores(plan, pool.n),
        "groups": None if quotas is None else [str(quotas.names), _digest(quotas.codes)],
        "min_per_group": None if quotas is None else quotas.least.tolist(),
        "max_per_group": None if quotas is None else quotas.most.tolist(),
        "cost": None if costs is None else _digest(costs.values),
        "cost_budget": None if costs is None else costs.budget,
    }


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Say what differs between two records; None if nothing does.

    Raises
    ------
    ValueError
        If the earlier record is not that of a job, or comes from a later version.
    """
    check_format(before)
    pool = Fingerprint.from_json(now["pool"])
    changed = pool.difference(Fingerprint.from_json(before.get("pool")))
    if changed is None and len(pool.shards) != len(before["pool"]["shards"]):
        changed = "it has grown"
    if changed:
        return f"the pool has changed: {changed}"
    for name, value in now.items():
        earlier = before.get(name)
        if name != "pool" and earlier != value:
            shown = _NAMES.get(name, name)
            if name not in _PLAIN and isinstance(value or earlier, str | list):
                return f"{shown} changed"
            return f"{shown} was {earlier}, is {value}"
    return None


def check_format(record: Mapping[str, Any]) -> None:
    """Raise ValueError if a record is not that of a job, or has an unknown format."""
    if record.get("format") != FORMAT:
        raise ValueError("is not the record of a job")
    if record.get("version") != VERSION:
        raise ValueError(
            f"has format {record.get('version')}; this version of ally-fast reads {VERSION}"
        )


def _digest(array: NDArray[Any] | None) -> str | None:
    """Return a hash of an array's values, whatever their layout."""
    if array is None:
        return None
    digest = blake2b(f"{array.dtype.str} {array.shape}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _digest_of_scores(plan: Plan, n: int) -> str:
    scores = plan.request.scores
    if isinstance(scores, ScoreFunction):
        return f"function {scores.fingerprint}"
    digest = blake2b(digest_size=16)
    for lo, hi in chunks(n, _CHUNK_ROWS):
        part = scores.read(lo, hi)
        if plan.eligible is not None:  # the others may be anything
            part = np.where(plan.eligible[lo:hi], part, 0.0)
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()
