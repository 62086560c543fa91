"""Some rows of a pool, with all that assigning them needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.cluster.engine import Engine
from ally_fast.pools.pool import Pool
from ally_fast.selection.plan import Plan
from ally_fast.selection.rule import Rule


@dataclass(frozen=True, eq=False)
class Span:
    """Values of some rows, of which the first has the pool index `first`.

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
    """Some rows of a pool, with all that assigning them needs.

    Attributes
    ----------
    pool : Pool
    rule : Rule
    engine : Engine
    scores : Scores or Span
        Not needed where the rule needs assignments.
    eligible : ndarray of bool, Span, or None
        Rows that may be picked; None: all of them.
    rows : (int, int)
        The first row, and the end.
    chunk_rows : int
    progress : bool
    """

    pool: Pool
    rule: Rule
    engine: Engine
    scores: Any
    eligible: Any
    rows: tuple[int, int]
    chunk_rows: int
    progress: bool


def portion(plan: Plan, rows: tuple[int, int] | None = None) -> Portion:
    """Return the portion of a plan that holds some rows; by default all of them."""
    request = plan.request
    return Portion(
        pool=request.pool,
        rule=request.rule,
        engine=request.engine,
        scores=request.scores,
        eligible=plan.eligible,
        rows=rows or (0, request.pool.n),
        chunk_rows=request.chunk_rows,
        progress=request.progress,
    )


def spans(plan: Plan, rows: tuple[int, int]) -> tuple[Span | None, Span | None]:
    """Return scores and mask of some rows alone, to be sent to another process; None: no need."""
    lo, hi = rows
    scores = mask = None
    if not plan.request.rule.needs_assignments:
        scores = Span(lo, np.asarray(plan.request.scores.read(lo, hi)))
    if plan.eligible is not None:
        mask = Span(lo, plan.eligible[lo:hi])
    return scores, mask
