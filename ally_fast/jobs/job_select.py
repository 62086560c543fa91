"""`select` piece by piece, with each finished piece kept in a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import _settings, progress, stages
from ally_fast.cluster.arguments import checked_threads
from ally_fast.cluster.result import KMeansResult
from ally_fast.jobs.job_folder import JobFolder, assignments_key, scores_key
from ally_fast.jobs.job_record import job_record
from ally_fast.pools import ShardedPool, open_pool
from ally_fast.pools.remote_pool import as_workers_read
from ally_fast.selection.arguments import Arguments
from ally_fast.selection.clock import Clock
from ally_fast.selection.info import SelectionInfo
from ally_fast.selection.part import Part
from ally_fast.selection.plan import Plan, planned
from ally_fast.selection.portion import whole_pool
from ally_fast.selection.score_function import ScoreFunction
from ally_fast.selection.select import arguments_of, stage_labels
from ally_fast.selection.task import local_task

# Yields each range of rows with its part, which keeps the assignments; in any order. Calls the
# last argument with the number of rows done.
Scan = Callable[
    [Plan, KMeansResult, Sequence[tuple[int, int]], Callable[[int], None]],
    Iterator[tuple[tuple[int, int], Part]],
]

_PORTION_BYTES = 512 << 20  # a killed job loses at most the work on so many bytes


@dataclass(frozen=True)
class _Piece:
    """Some rows of a shard; the shard's content gives the name."""

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
    """Select a batch as `ally_fast.select` does, and keep finished work in a folder.

    You can kill the process at any moment. The same call then continues where it stopped, and
    returns the same batch.

    Parameters
    ----------
    folder : path
        The job's folder; created if it does not exist. It holds the centroids and the cluster of
        every row (4 bytes a row).
    pool, dual_scores, b, k, **options
        As for `ally_fast.select`. The pool must be files or a table.
    start_from : path, optional
        The folder of an earlier job. The new job takes its centroids, and the clusters of the
        shards that both jobs share.

    Returns
    -------
    indices, info
        As `ally_fast.select` returns them with ``return_info=True``.

    Raises
    ------
    ValueError
        As `ally_fast.select` does. Also if the folder holds a job with other inputs or arguments;
        the message says what changed.
    OSError
        If another process is working in the folder, or the folder cannot be written.
    """
    pool = pool if isinstance(pool, ShardedPool) else open_pool(pool)
    if not isinstance(pool, ShardedPool):
        raise ValueError("pool: a job needs files or a table; use ally_fast.select for arrays")
    arguments = arguments_of(pool, dual_scores, b, k, options)
    job = JobFolder(os.fspath(folder))
    earlier = None if start_from is None else JobFolder(os.fspath(start_from))
    with _settings.using_threads(checked_threads(arguments.threads)), job.locked():
        return run_job(job, earlier, arguments, pool, _scan_here)


def run_job(
    job: JobFolder,
    earlier: JobFolder | None,
    arguments: Arguments,
    pool: ShardedPool,
    scan: Scan,
    *,
    parts: int = 1,
) -> tuple[Any, SelectionInfo]:
    """Run the stages in a locked folder.

    `scan` assigns the rows that are left, cut into about `parts` portions or more.
    """
    clock = Clock()
    _check_function(arguments.dual_scores)
    if earlier is not None:
        arguments = _with_centroids(arguments, earlier)
    plan = planned(arguments)
    job.begin(job_record(plan, pool))
    clock.lap("check")
    with progress.stages(*stage_labels(plan)):
        trained = _trained(job, plan, clock)
        whole = _assigned(job, earlier, plan, trained, scan, parts)
    clock.lap("assign")
    return stages.conclude(plan, trained, whole, clock)


def _check_function(scores: Any) -> None:
    if callable(scores) and ScoreFunction(scores).fingerprint is None:
        raise ValueError(
            "dual_scores: got a function without a fingerprint, so a resumed job cannot check that "
            "it is the same; needs an attribute fingerprint (a text that names its weights), or an "
            "array"
        )


def _with_centroids(arguments: Arguments, earlier: JobFolder) -> Arguments:
    if arguments.centroids is not None:
        raise ValueError(
            "centroids: got some, but start_from also gives centroids; pass one of them"
        )
    earlier.check()
    trained = earlier.training()
    if trained is None:
        raise ValueError(f"{earlier.path}: holds a job that has no centroids yet")
    return replace(arguments, centroids=trained.centroids)


def _trained(job: JobFolder, plan: Plan, clock: Clock) -> KMeansResult:
    trained = job.training()
    if trained is not None:
        return trained
    trained = stages.train(plan)
    clock.skip(trained.seconds)
    job.keep_training(trained)
    return trained


def _assigned(
    job: JobFolder,
    earlier: JobFolder | None,
    plan: Plan,
    trained: KMeansResult,
    scan: Scan,
    at_least: int,
) -> Part:
    """Return the assignment of all rows: kept pieces are read, the others computed by portions."""
    rule, pool = plan.request.rule, as_workers_read(plan.request.pool)
    assert isinstance(pool, ShardedPool)
    if rule.b == 0:
        return Part(np.zeros(rule.k, np.int64))
    metric = "cosine" if rule.normalize else "euclidean"
    how = (metric, plan.request.engine.name, str(pool.column_name), pool.dtype_name)
    key = assignments_key(trained.centroids, *how)
    scores = plan.request.scores
    cache = _Cache(key, scores.fingerprint if isinstance(scores, ScoreFunction) else None)
    parts, left = [], []
    folders = [folder for folder in (job, earlier) if folder is not None]
    for piece in _pieces(pool):
        answers = (cache.read(folder, plan, piece) for folder in folders)
        part = next((part for part in answers if part is not None), None)
        if part is None:
            left.append(piece)
        else:
            parts.append(part)
    portions = {
        (portion[0].lo, portion[-1].hi): portion
        for portion in _portions(left, pool.d * pool.itemsize, at_least)
    }
    rows_left = sum(hi - lo for lo, hi in portions)
    with progress.Progress(plan.request.progress, rows_left, "assign") as bar:
        for rows, part in scan(plan, trained, list(portions), bar.advance):
            for piece in portions[rows]:
                parts.append(cache.write(job, plan, piece, part))
    return stages.merge(replace(rule, limited=True), *parts)


def _scan_here(
    plan: Plan,
    trained: KMeansResult,
    ranges: Sequence[tuple[int, int]],
    advance: Callable[[int], None],
) -> Iterator[tuple[tuple[int, int], Part]]:
    task = local_task(plan, trained, assignments=True)
    for rows in ranges:
        yield rows, stages.scan(task, replace(whole_pool(plan), rows=rows), advance=advance)


@dataclass(frozen=True)
class _Cache:
    """The kept clusters of pieces, and the scores that a function gave their rows.

    Attributes
    ----------
    key : str
        Identifies all that the clusters depend on; see `assignments_key`.
    function : str or None
        The fingerprint of the score function.
    """

    key: str
    function: str | None

    def read(self, folder: JobFolder, plan: Plan, piece: _Piece) -> Part | None:
        """Return a piece's assignment; None if an eligible row has none."""
        rows, scores = piece.hi - piece.lo, None
        clusters = folder.assignments(piece.name, rows, plan.request.rule.k, self.key)
        if self.function is not None and clusters is not None:
            scores = folder.scores(piece.name, rows, self._scores_key)
        if clusters is None or (self.function is not None and scores is None):
            return None
        return _part(plan, piece, clusters, scores)

    def write(self, folder: JobFolder, plan: Plan, piece: _Piece, part: Part) -> Part:
        """Keep the rows of a part that a piece holds, and return them as a part."""
        ((first, clusters),) = part.assigned
        inside, scores = slice(piece.lo - first, piece.hi - first), None
        if part.scored:
            scores = part.scored[0][1][inside]
            folder.keep_scores(piece.name, scores, self._scores_key)
        folder.keep_assignments(piece.name, clusters[inside], self.key)
        own = _part(plan, piece, clusters[inside], scores)
        assert own is not None
        return own

    @property
    def _scores_key(self) -> str:
        return scores_key(self.key, str(self.function))


def _part(
    plan: Plan, piece: _Piece, clusters: NDArray[np.int32], scores: NDArray[np.float64] | None
) -> Part | None:
    if plan.eligible is not None:
        eligible = plan.eligible[piece.lo : piece.hi]
        clusters = np.where(eligible, clusters, np.int32(-1))
    else:
        eligible = None
    is_known = clusters >= 0
    if scores is not None:  # another job over the same shard may have had other eligible rows
        is_known &= np.isfinite(scores)
    if not (is_known if eligible is None else is_known | ~eligible).all():
        return None
    sizes = np.bincount(clusters[is_known], minlength=plan.request.rule.k)
    scored = () if scores is None else ((piece.lo, scores),)
    return Part(sizes, assigned=((piece.lo, clusters),), scored=scored)


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


def _portions(pieces: list[_Piece], row_bytes: int, parts: int) -> list[list[_Piece]]:
    """Join neighbours into portions large enough for a pass each: about `parts`, or more."""
    total = row_bytes * sum(piece.hi - piece.lo for piece in pieces)
    enough = min(_PORTION_BYTES, total // parts)
    portions: list[list[_Piece]] = []
    size, end = 0, -1
    for piece in pieces:
        if piece.lo != end or size >= enough:
            portions.append([])
            size = 0
        portions[-1].append(piece)
        size += (piece.hi - piece.lo) * row_bytes
        end = piece.hi
    return portions
