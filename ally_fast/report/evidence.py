"""The evidence behind pictures and pages of a batch: sampled rows, read in one pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.arrays import as_array
from ally_fast.device_arrays import host_copy
from ally_fast.memory import to_host
from ally_fast.ops.sample_rows import sample_rows
from ally_fast.pools import as_pool
from ally_fast.pools.pool import Pool, is_wide
from ally_fast.pools.reading import gather_chunks
from ally_fast.pools.remote_pool import as_workers_read
from ally_fast.report.projection import Projection, fit_projection, rows_as_seen
from ally_fast.report.score_counts import (
    Parts,
    ScoreCounts,
    best_rows,
    count_scores,
    known_parts,
)
from ally_fast.selection.eligibility import count_eligible
from ally_fast.selection.info import SelectionInfo
from ally_fast.selection.request import Request, check
from ally_fast.selection.score_function import ScoreFunction
from ally_fast.selection.scores import Scores
from ally_fast.selection.select import arguments_of

_MOST_SAMPLED = 20_000
_MOST_COMPARED = 5_000  # picks, and rows of each batch that they are compared with
_MOST_EXCLUDED = 2_000
_SPARE = 2  # random rows read for one that is compared, where reading may drop some
_MOST_BYTES = 128 << 20  # of all these rows
_GATHER_BYTES = 4 << 20


@dataclass(frozen=True, eq=False)
class Evidence:
    """A batch, and rows of its pool as the metric sees them.

    Attributes
    ----------
    request : Request
        The checked arguments of the selection.
    indices : ndarray of int64, shape (b,)
    info : SelectionInfo
    sample : ndarray, shape (m, d)
        Rows that could be picked, in random order.
    picks : ndarray, shape (c, d)
        The first rows of the batch.
    random, best : ndarray, shape (<= c, d)
        Random rows that could be picked; the rows with the best scores that were not excluded. Both
        are empty if no comparison was requested. `best` is also empty if a function computes the
        scores, because finding the best rows would take the scores of all rows.
    excluded : ndarray, shape (e, d)
        Finite rows that could not be picked, and labeled rows from outside the pool.
    plane : Projection
        Fitted to the sample.
    scores : ScoreCounts
        Scores of the batch and of all rows that were not excluded; of the sample only if a function
        computes them.
    """

    request: Request
    indices: NDArray[np.int64]
    info: SelectionInfo
    sample: NDArray[np.floating]
    picks: NDArray[np.floating]
    random: NDArray[np.floating]
    best: NDArray[np.floating]
    excluded: NDArray[np.floating]
    plane: Projection
    scores: ScoreCounts

    @property
    def pool(self) -> Pool:
        """The pool with its files, even if tasks of a cluster read its rows."""
        return as_workers_read(self.request.pool)

    @property
    def eligible_rows(self) -> int:
        """Number of rows that could be picked."""
        return self.info.eligible_rows

    @property
    def scores_by_function(self) -> bool:
        """Whether a function computes the scores, so that they are known only for the rows read."""
        return isinstance(self.request.scores, ScoreFunction)


def gather_evidence(
    pool: Any,
    dual_scores: Any,
    indices: Any,
    info: SelectionInfo,
    options: Mapping[str, Any],
    *,
    compare: bool,
) -> Evidence:
    """Read the rows that a picture or page of a batch needs.

    Parameters
    ----------
    pool, dual_scores
        As passed to `select`.
    indices : array of int64, shape (b,)
    info : SelectionInfo
    options : mapping
        All other arguments of `select`, by keyword.
    compare : bool
        Whether to read also a random batch and the best rows by score.

    Raises
    ------
    ValueError, TypeError
        As `select` raises them; also if the batch does not match `info` or the pool.

    Notes
    -----
    Holds at most 128 MiB of rows, for any pool, and 1 byte for each pool row if rows are excluded.
    Reads the pool once, only where these rows lie; once more as a whole if bad rows are skipped.
    """
    pool = as_pool(pool)
    indices = _checked_batch(indices, info, pool)
    settings = {"b": len(indices), "k": len(info.centroids), **options}
    arguments = arguments_of(pool, dual_scores, settings.pop("b"), settings.pop("k"), settings)
    request = check(arguments)
    draws, compared = _draw(request, indices, compare)
    read = _read(request, draws)
    sample, scores = read["sample"], request.scores
    kept = sample.kept
    if isinstance(scores, Scores):
        parts: Parts = partial(known_parts, scores, request.pool.n, request.eligible)
    else:
        parts = partial(iter, [sample.scores[kept]])
    return Evidence(
        request=request,
        indices=indices,
        info=info,
        sample=sample.rows[kept],
        picks=read["picks"].rows,
        random=read["random"].rows[read["random"].kept][:compared],
        best=read["best"].rows,
        excluded=_excluded(request, read),
        plane=fit_projection(sample.rows[kept]),
        scores=count_scores(parts, info.scores),
    )


def _checked_batch(indices: Any, info: SelectionInfo, pool: Pool) -> NDArray[np.int64]:
    batch = as_array(host_copy(indices), "indices", ndim=1).array
    if len(batch) and batch.dtype.kind not in "iu":
        raise TypeError(f"indices: got {batch.dtype}, needs the pool indices that select returned")
    if len(batch) != len(info.scores):
        raise ValueError(f"indices: got {len(batch)}, but info describes {len(info.scores)} picks")
    outside = (batch < 0) | (batch >= pool.n)
    if outside.any():
        raise ValueError(
            f"indices: got {batch[outside.argmax()]}, needs rows of the pool, in [0, {pool.n})"
        )
    d = info.centroids.shape[1]
    if d != pool.d:
        raise ValueError(
            f"info: has centroids of {d} dimensions, but the pool's rows have {pool.d}"
        )
    return batch.astype(np.int64)


@dataclass(frozen=True, eq=False)
class _Read:
    """Some rows of a pool.

    Attributes
    ----------
    rows : ndarray, shape (m, d)
        As the metric sees them.
    kept : ndarray of bool, shape (m,)
        True for finite rows that are not near labeled rows and not scored too high by a function.
    scores : ndarray of float64, shape (m,)
        Scores from a function; NaN for excluded rows.
    """

    rows: NDArray[np.floating]
    kept: NDArray[np.bool_]
    scores: NDArray[np.float64]

    def __getitem__(self, positions: NDArray[np.int64]) -> _Read:
        """Return some of the rows."""
        return _Read(self.rows[positions], self.kept[positions], self.scores[positions])


def _draw(
    request: Request, indices: NDArray[np.int64], compare: bool
) -> tuple[dict[str, NDArray[np.int64]], int]:
    """Return the rows to read, by purpose, and how many to compare."""
    pool, eligible = request.pool, request.eligible
    n, count = pool.n, count_eligible(eligible, pool.n)
    share = _share(pool)
    compared = min(max(1, int(share * _MOST_COMPARED)), len(indices))
    random = best = np.empty(0, np.int64)
    if compare:
        random = sample_rows(
            n, min(count, compared * (_SPARE if _drops(request) else 1)), 1, eligible
        )
    if compare and isinstance(request.scores, Scores):
        best = best_rows(request.scores, n, eligible, compared)
    excluded = np.empty(0, np.int64)
    if eligible is not None:
        most = min(n - count, max(1, int(share * _MOST_EXCLUDED)))
        excluded = sample_rows(n, most, 0, ~eligible)
    sampled = min(count, max(1, int(share * _MOST_SAMPLED)))
    draws = {
        "sample": sample_rows(n, sampled, 0, eligible),
        "picks": indices[:compared],
        "random": random,
        "best": best,
        "excluded": excluded,
    }
    return draws, compared


def _drops(request: Request) -> bool:
    """Tell whether only reading a row shows that it could not be picked."""
    by_function = isinstance(request.scores, ScoreFunction) and request.max_score is not None
    return by_function or request.labeled is not None


def _share(pool: Pool) -> float:
    """Return the share of the wanted rows that fits into memory."""
    rows = _MOST_SAMPLED + (2 + _SPARE) * _MOST_COMPARED + _MOST_EXCLUDED
    return min(1.0, _MOST_BYTES / (rows * max(1, pool.d) * (8 if is_wide(pool) else 4)))


def _excluded(request: Request, read: Mapping[str, _Read]) -> NDArray[np.floating]:
    """Return finite rows that could not be picked, and labeled rows."""
    sample, rows = read["sample"], read["excluded"].rows
    cloud: NDArray[np.floating] = np.concatenate([rows, sample.rows[~sample.kept][:_MOST_EXCLUDED]])
    cloud = cloud[np.isfinite(cloud).all(axis=1)]
    if request.labeled is None:
        return cloud
    labeled = request.labeled[:: 1 + len(request.labeled) // _MOST_EXCLUDED]
    return np.concatenate([cloud, labeled.astype(cloud.dtype)])


def _read(request: Request, draws: Mapping[str, NDArray[np.int64]]) -> dict[str, _Read]:
    """Return the rows at some indices; read each row once."""
    pool, rule, eligible = request.pool, request.rule, request.eligible
    needed, positions = np.unique(np.concatenate(list(draws.values())), return_inverse=True)
    m = len(needed)
    rows = np.empty((m, pool.d), np.float64 if is_wide(pool) else np.float32)
    read = _Read(rows, np.ones(m, np.bool_), np.full(m, np.nan))
    near = None
    if request.labeled is not None and len(request.labeled) and rule.radius is not None:
        near = request.engine.nearness(request.labeled, rule.radius, normalize=rule.normalize)
    step = max(1, _GATHER_BYTES // max(1, pool.d * pool.itemsize))
    for part, chunk in gather_chunks(pool, needed, step):
        rows[part] = rows_as_seen(chunk, "cosine" if rule.normalize else "euclidean")
        keep: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(rows[part]), axis=1)
        if isinstance(request.scores, ScoreFunction):
            among = keep if eligible is None else keep & eligible[needed[part]]
            read.scores[part] = request.scores.scores_of(chunk, needed[part], among)
            if request.max_score is not None:
                keep &= ~(read.scores[part] > request.max_score)
        if near is not None:
            keep &= ~to_host(near(chunk, 0, None))
        read.kept[part] = keep
    pool.check()
    ends = np.cumsum([len(part) for part in draws.values()])
    parts = np.split(positions, ends[:-1])
    return {name: read[part] for name, part in zip(draws, parts, strict=True)}
