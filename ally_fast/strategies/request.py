"""A query whose arguments have been checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import checks
from ally_fast.pools.chunks import chunks
from ally_fast.pools.pool import Pool, RowSource
from ally_fast.selection.eligibility import check_budget, rows_not_excluded
from ally_fast.strategies.contract import Context

_CHUNK_ROWS = 8192
_ROW_AXES = {
    "embeddings": 0,
    "probabilities": 0,
    "mc_probabilities": 1,
    "predicted_losses": 0,
    "dual_scores": 0,
}
NO_ROWS = np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class Request:
    """A request for `b` of the `n` rows, chosen among the `eligible` ones (None: all).

    Attributes
    ----------
    n, b, chunk_rows : int
    eligible : ndarray of bool, shape (n,), or None
    """

    n: int
    b: int
    eligible: NDArray[np.bool_] | None
    chunk_rows: int

    def positions(self) -> NDArray[np.int64] | None:
        """Return the eligible rows, ascending; None: all rows."""
        return None if self.eligible is None else np.flatnonzero(self.eligible)

    def chunks(self, pool: Pool | None = None) -> Iterator[tuple[int, int, NDArray[np.bool_]]]:
        """Yield (lo, hi, which of these rows are eligible) in order, without chunks that have none.

        If you pass the `pool` that is read in this way, its file is checked after each chunk.
        """
        for lo, hi in chunks(self.n, self.chunk_rows, pool=pool):
            part = np.ones(hi - lo, np.bool_) if self.eligible is None else self.eligible[lo:hi]
            if part.any():
                yield lo, hi, part


def open_request(strategy: str, context: Context, b: Any, *pieces: str) -> Request:
    """Check that a strategy has the pieces it needs and `b` rows to choose from.

    Raises
    ------
    ValueError
        If a piece is missing, pieces disagree on the number of rows, or `b` is too large.
    """
    context.demand(strategy, *pieces)
    n = _rows(strategy, context)
    b = checks.integer(b, "b", 0)
    eligible = rows_not_excluded(context.exclude, n)
    try:
        check_budget(b, eligible, n)
    except ValueError as error:
        raise ValueError(f"{strategy}: {error}") from None
    return Request(n, b, eligible, context.chunk_rows or _CHUNK_ROWS)


def demand_classification(strategy: str, context: Context) -> None:
    """Raise ValueError for a regression task, which has floating-point targets."""
    targets = context.labeled_targets
    if targets is None:
        return
    dtype = str(targets.dtype if hasattr(targets, "dtype") else np.asarray(targets).dtype)
    if any(kind in dtype.lower() for kind in ("float", "double")):  # pandas and Polars: "Float64"
        raise ValueError(
            f"{strategy}: got labeled_targets of {dtype}, a regression task; needs a "
            "classification task, with class numbers as targets"
        )


def _rows(strategy: str, context: Context) -> int:
    """Return the number of rows of the pool; all pieces that tell it must agree."""
    lengths = {} if context.n is None else {"n": context.n}
    for piece, axis in _ROW_AXES.items():
        value = getattr(context, piece)
        if isinstance(value, RowSource):
            lengths[piece] = value.n
        elif value is not None and not callable(value):
            shape = _shape(strategy, piece, value)
            if len(shape) <= axis:
                raise ValueError(f"{strategy}: {piece}: got shape {shape}, needs more axes")
            lengths[piece] = int(shape[axis])
    if not lengths:
        raise ValueError(f"{strategy}: the context does not say how many rows there are; needs n")
    if len(set(lengths.values())) > 1:
        text = ", ".join(f"{name}: {rows}" for name, rows in lengths.items())
        raise ValueError(
            f"{strategy}: pieces of the context differ in their number of rows ({text})"
        )
    return next(iter(lengths.values()))


def _shape(strategy: str, piece: str, value: Any) -> tuple[int, ...]:
    """Return the shape of an array; only its length if it has no shape (Arrow)."""
    if hasattr(value, "shape"):
        return tuple(value.shape)
    if isinstance(value, list | tuple):
        return np.shape(value)
    if not (hasattr(value, "__len__") and hasattr(value, "__getitem__")):
        raise TypeError(f"{strategy}: {piece}: got {checks.shown(value)}, needs an array")
    return (len(value),)
