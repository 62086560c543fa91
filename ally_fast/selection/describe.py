"""Why each row is in the batch, and what computed it."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from ally_fast.cluster.result import KMeansResult
from ally_fast.ops.assign import packed_points, squared_distances
from ally_fast.pools.taken import as_values, taken
from ally_fast.selection.batch import Batch, gather
from ally_fast.selection.info import SelectionInfo
from ally_fast.selection.part import Part
from ally_fast.selection.pick_distances import looked_up
from ally_fast.selection.plan import Plan


def centroid_distances(
    plan: Plan, trained: KMeansResult, whole: Part, batch: Batch
) -> NDArray[np.float64]:
    """Return each pick's Euclidean distance to its centroid; read the picks if nobody has yet."""
    if whole.distances is not None:
        squares = looked_up(whole.distances, batch.indices)
        if squares is not None:
            return np.sqrt(squares)
    rows = gather(plan.request.pool, batch.indices) if batch.rows is None else batch.rows
    rows = rows.seen(plan.request.rule.normalize)
    table = packed_points(trained.centroids)
    return np.sqrt(squared_distances(rows, table, batch.clusters))


def describe(
    plan: Plan,
    trained: KMeansResult,
    whole: Part,
    batch: Batch,
    distances: NDArray[np.float64],
    seconds: dict[str, float],
) -> SelectionInfo:
    """Return the description of a selection."""
    request = plan.request
    pool, rule = request.pool, request.rule
    quotas, costs = request.quotas, request.costs
    passes = plan.eligible_rows if rule.b else 0
    rows_read = plan.rows_read + trained.train_rows + passes + rule.b
    return SelectionInfo(
        scores=batch.scores,
        clusters=batch.clusters,
        ranks=batch.ranks,
        distances=distances,
        ids=None if request.ids is None else as_values(request.ids.take(batch.indices)),
        groups=None if quotas is None else [quotas.names[i] for i in quotas.codes[batch.indices]],
        costs=None if costs is None else costs.values[batch.indices],
        kept={name: taken(column, batch.indices) for name, column in pool.keep.items()},
        centroids=trained.centroids,
        cluster_sizes=whole.sizes,
        cluster_counts=np.bincount(batch.clusters, minlength=rule.k),
        inertia=None if plan.training is None else trained.inertia,
        n_iter=trained.n_iter,
        train_rows=trained.train_rows,
        eligible_rows=plan.eligible_rows,
        skipped_rows=request.skipped_rows,
        engine=trained.engine,
        device=trained.device,
        isa=trained.isa,
        seed=trained.seed,
        seconds=seconds,
        bytes_read=rows_read * pool.d * pool.itemsize,
        peak_bytes=_peak_bytes(),
    )


def _peak_bytes() -> int:
    try:
        import resource
    except ImportError:  # not a POSIX system
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
