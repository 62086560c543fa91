"""What pictures and pages of a batch are drawn from: rows of samples, read in one go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.device_arrays import host_copy
from ally_fast.ops.sample_rows import sample_rows
from ally_fast.pools import as_pool
from ally_fast.pools.pool import Pool, is_wide
from ally_fast.pools.reading import gather_chunks
from ally_fast.report.projection import Projection, fit_projection, rows_as_seen
from ally_fast.report.score_counts import ScoreCounts, best_rows, count_scores
from ally_fast.selection.eligibility import count_eligible
from ally_fast.selection.info import SelectionInfo
from ally_fast.selection.request import Request, check
from ally_fast.selection.select import arguments_of

_MOST_SAMPLED = 20_000
_MOST_COMPARED = 5_000  # picks, and rows of each batch that they are compared with
_MOST_EXCLUDED = 2_000
_MOST_BYTES = 128 << 20  # of all these rows
_GATHER_BYTES = 4 << 20


@dataclass(frozen=True, eq=False)
class Evidence:
    """A batch, and rows of its pool as the metric sees them.

    Attributes
    ----------
    request : Request
        The arguments of the selection, checked.
    indices : ndarray of int64, shape (b,)
    info : SelectionInfo
    eligible_rows : int
        Rows that the sample is drawn from.
    sample : ndarray, shape (m, d)
        Of them, in random order.
    picks : ndarray, shape (c, d)
        The first ones of the batch.
    random, best : ndarray, shape (<= c, d)
        Eligible rows drawn at random, and those that score best; empty where not asked for.
    excluded : ndarray, shape (e, d)
        Of the rows that could not be picked, and of those labeled elsewhere; finite ones only.
    plane : Projection
        Fitted to the sample.
    scores : ScoreCounts
        Of all eligible rows, and of the batch.
    """

    request: Request
    indices: NDArray[np.int64]
    info: SelectionInfo
    eligible_rows: int
    sample: NDArray[np.floating]
    picks: NDArray[np.floating]
    random: NDArray[np.floating]
    best: NDArray[np.floating]
    excluded: NDArray[np.floating]
    plane: Projection
    scores: ScoreCounts

    @property
    def pool(self) -> Pool:
        """The pool."""
        return self.request.pool


def gather_evidence(
    pool: Any,
    dual_scores: Any,
    indices: Any,
    info: SelectionInfo,
    options: Mapping[str, Any],
    *,
    compare: bool,
) -> Evidence:
    """Read what a batch is judged by.

    Parameters
    ----------
    pool, dual_scores
        As given to `select`.
    indices : array of int64, shape (b,)
    info : SelectionInfo
    options : mapping
        What else `select` was given, by keyword.
    compare : bool
        Whether to read the rows of a random batch and of the best by score.

    Notes
    -----
    At most 128 MiB of rows, whatever the pool; 1 byte a row where rows are excluded. The pool is
    read once, where these rows lie.
    """
    indices = np.asarray(host_copy(indices), np.int64)
    asked = {"b": len(indices), "k": len(info.centroids), **options}
    arguments = arguments_of(as_pool(pool), dual_scores, asked.pop("b"), asked.pop("k"), asked)
    request = check(arguments)
    source, eligible = request.pool, request.eligible
    count = count_eligible(eligible, source.n)
    share = _share(source)
    most = max(1, int(share * _MOST_COMPARED))
    compared = min(most, len(indices))
    drawn = {
        "sample": sample_rows(
            source.n, min(count, max(1, int(share * _MOST_SAMPLED))), 0, eligible
        ),
        "picks": indices[:compared],
        "random": sample_rows(source.n, compared if compare else 0, 1, eligible),
        "best": best_rows(request.scores, source.n, eligible, compared if compare else 0),
        "excluded": _excluded(request, max(1, int(share * _MOST_EXCLUDED))),
    }
    rows = _read(source, drawn, "cosine" if request.rule.normalize else "euclidean")
    sample, excluded = (_finite(rows[name]) for name in ("sample", "excluded"))
    if request.labeled is not None:
        labeled = request.labeled[:: 1 + len(request.labeled) // _MOST_EXCLUDED]
        excluded = np.concatenate([excluded, labeled.astype(sample.dtype)])
    return Evidence(
        request=request,
        indices=indices,
        info=info,
        eligible_rows=count,
        sample=sample,
        picks=rows["picks"],
        random=rows["random"],
        best=rows["best"],
        excluded=excluded,
        plane=fit_projection(sample),
        scores=count_scores(request.scores, source.n, eligible, info.scores),
    )


def _share(pool: Pool) -> float:
    """Return the share of the rows wanted that fit into memory."""
    rows = _MOST_SAMPLED + 3 * _MOST_COMPARED + _MOST_EXCLUDED
    return min(1.0, _MOST_BYTES / (rows * max(1, pool.d) * (8 if is_wide(pool) else 4)))


def _excluded(request: Request, most: int) -> NDArray[np.int64]:
    """Draw of the rows that could not be picked."""
    if request.eligible is None:
        return np.empty(0, np.int64)
    n, excluded = request.pool.n, ~request.eligible
    return sample_rows(n, min(most, int(np.count_nonzero(excluded))), 0, excluded)


def _read(
    pool: Pool, drawn: Mapping[str, NDArray[np.int64]], metric: str
) -> dict[str, NDArray[np.floating]]:
    """Return the rows at some indices, each of which is read once."""
    needed, places = np.unique(np.concatenate(list(drawn.values())), return_inverse=True)
    rows = np.empty((len(needed), pool.d), np.float64 if is_wide(pool) else np.float32)
    step = max(1, _GATHER_BYTES // max(1, pool.d * pool.itemsize))
    for part, read in gather_chunks(pool, needed, step):
        rows[part] = rows_as_seen(read, metric)
    pool.check()
    ends = np.cumsum([len(part) for part in drawn.values()])
    parts = np.split(places, ends[:-1])
    return {name: rows[part] for name, part in zip(drawn, parts, strict=True)}


def _finite(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    finite: NDArray[np.floating] = rows[np.isfinite(rows).all(axis=1)]
    return finite
