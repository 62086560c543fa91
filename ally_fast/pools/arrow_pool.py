"""A pool over an Arrow column of vectors in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.pools.arrow_rows import ArrowRows
from ally_fast.pools.host_pool import HostPool
from ally_fast.rows import Rows
from ally_fast.vector_column import VectorColumn

_STEP = 1024


class ArrowPool(HostPool):
    """Serve the rows of an Arrow column, as views of its memory if layout and nulls allow.

    Parameters
    ----------
    rows : ArrowRows
    column : VectorColumn
        How rows of this type become vectors.

    Raises
    ------
    ValueError
        If rows are matrices, or if their bytes are not a whole number of elements.

    Notes
    -----
    A row that is null, holds a null, or has another length than the others reads as NaN; `fault`
    says which of these it is.
    """

    def __init__(self, rows: ArrowRows, column: VectorColumn) -> None:
        steps = range(0, rows.n, _STEP)
        column.learn(part for lo in steps for part in rows.slices(lo, min(rows.n, lo + _STEP)))
        self._rows, self._column = rows, column
        self.n, self.d = rows.n, column.d
        self.dtype_name, self.itemsize = column.dtype_name, column.itemsize

    def read(self, lo: int, hi: int) -> Rows:
        """Return rows ``lo`` to ``hi`` (exclusive); a row that holds no vector is NaN."""
        return self._joined([self._column.to_matrix(rows) for rows in self._rows.slices(lo, hi)])

    def gather(self, indices: NDArray[np.int64]) -> Rows:
        """Return the rows at pool `indices`; a row that holds no vector is NaN."""
        return self._joined([self._column.to_matrix(self._rows.take(indices))])

    def fault(self, row: int) -> str:
        """Say why a row cannot be used; the text names the column."""
        return self._column.fault(row, self._rows.take(np.array([row])))

    def _joined(self, parts: list[NDArray[Any]]) -> Rows:
        if len(parts) != 1:
            parts = [np.concatenate([np.empty((0, self.d), self._column.dtype), *parts])]
        return Rows(parts[0], self._column.bf16)
