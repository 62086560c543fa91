"""Strategies that give each row a score and take the highest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ally_fast.ops.shortlist import Shortlist
from ally_fast.strategies.contract import Context
from ally_fast.strategies.parameters import Parameters
from ally_fast.strategies.request import NO_ROWS, Request, demand_classification, open_request


class BestRows:
    """The `b` rows with the highest scores among those pushed so far, lowest index on a tie.

    Notes
    -----
    O(b) memory for any number of rows.
    """

    def __init__(self, b: int) -> None:
        self._b = b
        self._shortlist = Shortlist(1, b, np.ones(1))

    def push(self, scores: NDArray[np.float64], keep: NDArray[np.bool_], first: int) -> None:
        """Offer the kept ones of the rows from `first` on."""
        # A negative zero becomes an ordinary one, of equal rank.
        self._shortlist.push(np.where(keep, np.int32(0), np.int32(-1)), scores + 0.0, first)

    def indices(self) -> NDArray[np.int64]:
        """Return the best rows, best first."""
        _, _, indices = self._shortlist.entries()
        return indices[: self._b]


class ScoredStrategy(Parameters, ABC):
    """Take the rows with the highest scores: score descending, then index ascending.

    A strategy of this kind names the piece of the context that it needs, and computes the scores of
    a part of the pool. Memory is O(b) and one chunk.
    """

    name: str
    piece: ClassVar[str]
    classification: ClassVar[bool] = True

    @abstractmethod
    def scores(
        self, context: Context, lo: int, hi: int, keep: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return the scores of rows ``lo`` to ``hi`` (exclusive); only kept rows count."""

    def query(self, context: Context, b: int) -> NDArray[np.int64]:
        """Return the `b` rows with the highest scores, best first; see `Strategy`."""
        if self.classification:
            demand_classification(self.name, context)
        request = open_request(self.name, context, b, self.piece)
        return NO_ROWS.copy() if request.b == 0 else self._best(context, request)

    def _best(self, context: Context, request: Request) -> NDArray[np.int64]:
        best = BestRows(request.b)
        for lo, hi, keep in request.chunks():
            best.push(self.scores(context, lo, hi, keep), keep, lo)
        return best.indices()
