"""Some rows of a pool, with what is known about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.pools.pool import Pool
from ally_fast.pools.remote_pool import as_workers_read
from ally_fast.selection.plan import Plan
from ally_fast.selection.score_function import ScoreFunction

PORTION_BYTES = 1 << 30  # of embeddings


@dataclass(frozen=True, eq=False)
class Span:
    """Values of consecutive rows; the first row has the pool index `first`.

    Attributes
    ----------
    first : int
    values : ndarray
        Scores as float64, or a mask.
    """

    first: int
    values: NDArray[Any]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Return the values of pool rows."""
        return self.values[rows.start - self.first : rows.stop - self.first]

    def read(self, lo: int, hi: int, device: str = "cpu") -> NDArray[Any]:
        """Return scores ``lo`` to ``hi`` (exclusive), in host memory; see `Scores.read`."""
        return self[lo:hi]


@dataclass(frozen=True, eq=False)
class Portion:
    """Consecutive rows of a pool, with their scores and their eligibility.

    Attributes
    ----------
    rows : (int, int)
        The first row, and the end (exclusive).
    scores : Scores, Span or None
        None if scanning needs no scores, or computes them.
    eligible : ndarray of bool, Span, or None
        Rows that may be picked; None: all of them.
    """

    rows: tuple[int, int]
    scores: Any
    eligible: Any


def whole_pool(plan: Plan) -> Portion:
    """Return all rows as one portion, for this process; nothing is copied."""
    scores = plan.request.scores
    scores_at_hand = None if isinstance(scores, ScoreFunction) else scores
    return Portion((0, plan.request.pool.n), scores_at_hand, plan.eligible)


def portion(plan: Plan, rows: tuple[int, int], *, scored: bool | None = None) -> Portion:
    """Return some rows as a portion that you can pickle and send to a worker.

    Parameters
    ----------
    plan : Plan
    rows : (int, int)
        The first row, and the end (exclusive).
    scored : bool, optional
        Whether to send scores along; by default only if the rule can use them.
    """
    (lo, hi), whole = rows, whole_pool(plan)
    if scored is None:
        scored = not plan.request.rule.needs_assignments
    scores = Span(lo, np.asarray(whole.scores.read(lo, hi))) if scored and whole.scores else None
    mask = None if plan.eligible is None else Span(lo, plan.eligible[lo:hi])
    return Portion(rows, scores, mask)


def ranges(pool: Pool, parts: int = 1) -> list[tuple[int, int]]:
    """Cut a pool into ranges that are cheap to read: they begin where shards and row groups do.

    Parameters
    ----------
    pool : Pool
    parts : int
        About how many ranges to make. There are fewer if the pool has fewer places to cut, and more
        if a range would exceed 1 GiB.

    Returns
    -------
    list of (int, int)
        First row and end (exclusive) of each range, in order.
    """
    pool = as_workers_read(pool)
    most = max(1, PORTION_BYTES // max(1, pool.d * pool.itemsize))
    share = max(1, min(most, pool.n // max(1, parts)))
    step = most if pool.streamed else share  # a stream is decoded from the start of its unit
    bounds = [0]
    for lo, hi in pool.units(0, pool.n):
        if bounds[-1] < lo and hi - bounds[-1] > most:
            bounds.append(lo)
        for end in (*range(lo + step, hi, step), hi):
            if end - bounds[-1] >= share:
                bounds.append(end)
    return list(pairwise(bounds if bounds[-1] == pool.n else [*bounds, pool.n]))


def portions(plan: Plan, parts: int = 1) -> Iterator[Portion]:
    """Yield the pool in portions, each of which you can pickle and send to a worker.

    Parameters
    ----------
    plan : Plan
    parts : int
        About how many portions to make; see `ranges`. Four for each core keep all cores busy.

    Yields
    ------
    Portion
        It carries 8 bytes of scores for each row, unless a function computes them, and 1 byte of
        mask if some rows are excluded.
    """
    for rows in ranges(plan.request.pool, parts):
        yield portion(plan, rows)
