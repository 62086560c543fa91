"""`select` in a folder, piece by piece."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import _settings
from ally_fast.cluster.arguments import checked_threads
from ally_fast.cluster.pool_pass import assign_pool
from ally_fast.cluster.result import KMeansResult
from ally_fast.jobs.job_folder import JobFolder, assignments_key
from ally_fast.jobs.job_record import job_record
from ally_fast.pools import ShardedPool, open_pool
from ally_fast.selection.arguments import Arguments
from ally_fast.selection.clock import Clock
from ally_fast.selection.info import SelectionInfo
from ally_fast.selection.part import Part
from ally_fast.selection.plan import Plan, make_plan
from ally_fast.selection.request import check
from ally_fast.selection.select import arguments_of, concluded
from ally_fast.selection.train import trained_centroids

# Yields ranges of rows with their clusters, -1 where not eligible, in any order.
Assign = Callable[
    [Plan, NDArray[Any], Sequence[tuple[int, int]]],
    Iterator[tuple[tuple[int, int], NDArray[np.int32]]],
]

_PORTION_BYTES = 512 << 20  # what is lost at most when a job is killed


@dataclass(frozen=True)
class _Piece:
    """Some rows of a shard; the name follows from the shard's content."""

    name: str
    lo: int
    hi: int


def select(
    folder: str | os.PathLike[str],
    pool: Any,
    dual_scores: Any,
    b: int,
    k: int,
    *,
    start_from: str | os.PathLike[str] | None = None,
    **options: Any,
) -> tuple[Any, SelectionInfo]:
    """Select a batch as `ally_fast.select` does, and keep what is done in a folder.

    Killed at any moment, the same call goes on where it stopped, and ends with the same batch.

    Parameters
    ----------
    folder : path
        Made if it is not there. Holds centroids and the cluster of every row: 4 bytes a row.
    pool, dual_scores, b, k, **options
        As for `ally_fast.select`; the pool is of files or a table.
    start_from : path, optional
        The folder of an earlier job, of which the centroids are taken, and the clusters of shards
        that it had as well.

    Returns
    -------
    indices, info
        As `ally_fast.select` returns them with ``return_info=True``.

    Raises
    ------
    ValueError
        As `ally_fast.select` does; if the folder holds a job of other inputs or arguments: the
        message says what changed.
    OSError
        If another process works in the folder, or it cannot be written.
    """
    pool = pool if isinstance(pool, ShardedPool) else open_pool(pool)
    if not isinstance(pool, ShardedPool):
        raise ValueError("pool: a job needs files or a table; use ally_fast.select for arrays")
    arguments = arguments_of(pool, dual_scores, b, k, options)
    job = JobFolder(os.fspath(folder))
    earlier = None if start_from is None else JobFolder(os.fspath(start_from))
    with _settings.using_threads(checked_threads(arguments.threads)), job.locked():
        return run_job(job, earlier, arguments, pool, _assign_here)


def run_job(
    job: JobFolder,
    earlier: JobFolder | None,
    arguments: Arguments,
    pool: ShardedPool,
    assign: Assign,
) -> tuple[Any, SelectionInfo]:
    """Run the stages in a folder that is locked; `assign` does what is left of the assignment."""
    clock = Clock()
    if earlier is not None:
        arguments = _with_centroids(arguments, earlier)
    plan = make_plan(check(arguments))
    job.begin(job_record(plan, pool))
    clock.lap("check")
    trained = _trained(job, plan, clock)
    whole = _assigned(job, earlier, plan, trained, pool, assign)
    clock.lap("assign")
    return concluded(plan, trained, whole, clock)


def _with_centroids(arguments: Arguments, earlier: JobFolder) -> Arguments:
    if arguments.centroids is not None:
        raise ValueError("centroids: got some, but the earlier job has its own; needs one of them")
    earlier.check()
    trained = earlier.training()
    if trained is None:
        raise ValueError(f"{earlier.path}: holds no job that has come to its centroids")
    return replace(arguments, centroids=trained.centroids)


def _trained(job: JobFolder, plan: Plan, clock: Clock) -> KMeansResult:
    trained = job.training()
    if trained is not None:
        return trained
    trained = trained_centroids(plan)
    clock.skip(trained.seconds)
    job.keep_training(trained)
    return trained


def _assigned(
    job: JobFolder,
    earlier: JobFolder | None,
    plan: Plan,
    trained: KMeansResult,
    pool: ShardedPool,
    assign: Assign,
) -> Part:
    """Return the clusters of all rows: those that are there, and others, portion by portion."""
    rule = plan.request.rule
    if rule.b == 0:
        return Part(np.zeros(rule.k, np.int64))
    metric = "cosine" if rule.normalize else "euclidean"
    how = (metric, plan.request.engine.name, str(pool.column_name), pool.dtype_name)
    key = assignments_key(trained.centroids, *how)
    parts, left = [], []
    folders = [folder for folder in (job, earlier) if folder is not None]
    for piece in _pieces(pool):
        rows = piece.hi - piece.lo
        found = [folder.assignments(piece.name, rows, rule.k, key) for folder in folders]
        known = [_part(plan, piece, clusters) for clusters in found if clusters is not None]
        part = next((part for part in known if part is not None), None)
        if part is None:
            left.append(piece)
        else:
            parts.append(part)
    portions = {
        (portion[0].lo, portion[-1].hi): portion
        for portion in _portions(left, pool.d * pool.itemsize)
    }
    for (lo, hi), clusters in assign(plan, trained.centroids, list(portions)):
        for piece in portions[lo, hi]:
            inside = clusters[piece.lo - lo : piece.hi - lo]
            job.keep_assignments(piece.name, inside, key)
            part = _part(plan, piece, inside)
            assert part is not None
            parts.append(part)
    sizes = sum((part.sizes for part in parts), np.zeros(rule.k, np.int64))
    return Part(sizes, assigned=tuple(run for part in parts for run in part.assigned))


def _assign_here(
    plan: Plan, centroids: NDArray[Any], ranges: Sequence[tuple[int, int]]
) -> Iterator[tuple[tuple[int, int], NDArray[np.int32]]]:
    request = plan.request
    assigners = request.engine.assigners(centroids, normalize=request.rule.normalize)
    for rows in ranges:
        clusters = assign_pool(
            request.pool,
            assigners,
            plan.eligible,
            rows=rows,
            chunk_rows=request.chunk_rows,
            progress=request.progress,
        )
        yield rows, clusters


def _part(plan: Plan, piece: _Piece, clusters: NDArray[np.int32]) -> Part | None:
    """Return a piece's rows, assigned; None if a row that may be picked was not assigned then."""
    if plan.eligible is not None:
        eligible = plan.eligible[piece.lo : piece.hi]
        clusters = np.where(eligible, clusters, np.int32(-1))
    else:
        eligible = None
    known = clusters >= 0
    if not (known if eligible is None else known | ~eligible).all():
        return None
    sizes = np.bincount(clusters[known], minlength=plan.request.rule.k)
    return Part(sizes, assigned=((piece.lo, clusters),))


def _pieces(pool: ShardedPool) -> list[_Piece]:
    """Cut the shards into pieces of bounded size."""
    rows = max(1, _PORTION_BYTES // max(1, pool.d * pool.itemsize))
    pieces = []
    for number in range(len(pool.shards)):
        first, end = int(pool.starts[number]), int(pool.starts[number + 1])
        digest = pool.digest(number) if end > first else ""
        for lo in range(first, end, rows):
            hi = min(end, lo + rows)
            pieces.append(_Piece(f"{digest}-{lo - first}-{hi - first}", lo, hi))
    return pieces


def _portions(pieces: list[_Piece], row_bytes: int) -> list[list[_Piece]]:
    """Join neighbours into runs that are worth a pass of their own."""
    portions: list[list[_Piece]] = []
    size, end = 0, -1
    for piece in pieces:
        if piece.lo != end or size >= _PORTION_BYTES:
            portions.append([])
            size = 0
        portions[-1].append(piece)
        size += (piece.hi - piece.lo) * row_bytes
        end = piece.hi
    return portions
