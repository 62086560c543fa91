"""Rows of an Arrow column in memory, or mapped into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require


def _itself(chunk: Any) -> Any:
    return chunk


class ArrowRows:
    """The rows of chunks, in the order of the chunks or in another; none is copied.

    Parameters
    ----------
    chunks : sequence of pyarrow.Array or pyarrow.RecordBatch
    kind : pyarrow.DataType
        The type of a row.
    of : callable, optional
        Makes an array of some rows of a chunk.
    order : array of integers, optional
        The place of each row in the chunks, counted through all chunks.

    Attributes
    ----------
    n : int
        Number of rows.
    """

    def __init__(
        self,
        chunks: Sequence[Any],
        kind: Any,
        of: Callable[[Any], Any] = _itself,
        order: NDArray[Any] | None = None,
    ) -> None:
        self.kind = kind
        self._chunks = list(chunks)
        self._of = of
        self._order = order
        self._starts = np.cumsum([0, *map(len, self._chunks)], dtype=np.int64)
        self.n = int(self._starts[-1]) if order is None else len(order)

    def slices(self, lo: int, hi: int) -> Iterator[Any]:
        """Yield rows ``lo`` to ``hi`` (exclusive) as Arrow arrays, as views if possible."""
        if self._order is not None:
            if lo < hi:
                yield self.take(np.arange(lo, hi))
            return
        number = int(np.searchsorted(self._starts, lo, side="right")) - 1
        while lo < hi:
            start, end = self._starts[number : number + 2].tolist()
            if lo < end:
                yield self._of(self._chunks[number].slice(lo - start, min(hi, end) - lo))
                lo = min(hi, end)
            number += 1

    def take(self, indices: NDArray[np.int64]) -> Any:
        """Return rows, in any order, as one Arrow array; reads no other rows."""
        arrow = require("pyarrow", "parquet")
        positions = indices if self._order is None else self._order[indices].astype(np.int64)
        numbers = np.searchsorted(self._starts, positions, side="right") - 1
        by_chunk = np.argsort(numbers, kind="stable")
        chunks, first = np.unique(numbers[by_chunk], return_index=True)
        parts = [
            self._of(self._chunks[number].take(arrow.array(positions[some] - self._starts[number])))
            for number, some in zip(chunks.tolist(), np.split(by_chunk, first[1:]), strict=False)
        ]
        rows = arrow.concat_arrays(parts or [arrow.array([], self.kind)])
        if (np.diff(by_chunk) > 0).all():
            return rows
        back = np.empty_like(by_chunk)
        back[by_chunk] = np.arange(len(back))
        return rows.take(arrow.array(back))
