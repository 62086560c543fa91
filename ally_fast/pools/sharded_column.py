"""A column of shards in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.pools.column import Column
from ally_fast.pools.row_count import check_rows


class ShardedColumn:
    """The values of several columns in order, one column from each shard.

    Parameters
    ----------
    columns : sequence of Column
        At least one.
    starts : ndarray of int64, shape (len(columns) + 1,), optional
        The first row of each column, then the number of rows. Each column must hold the rows up to
        the next start. `take` needs it.

    Raises
    ------
    ValueError
        On reading, if a column holds more or fewer rows than its shard.

    Notes
    -----
    Values of all shards get the Arrow type of the first.
    """

    def __init__(self, columns: Sequence[Column], starts: NDArray[np.int64] | None = None) -> None:
        self.name = columns[0].name
        self.untyped = bool(getattr(columns[0], "untyped", False))
        self.kind = getattr(columns[0], "kind", None)  # None: not declared
        self._columns = columns
        self._starts = starts

    def numbers(
        self, *, n: int | None = None, most: int | None = None, allow_null: bool = False
    ) -> NDArray[Any]:
        """Return all values as booleans, integers or floats; see `Column`."""
        if len(self._columns) == 1:
            if self._starts is not None and n is None:
                n = int(self._starts[-1])
            return self._columns[0].numbers(n=n, most=most, allow_null=allow_null)
        limit = n if n is not None else most
        parts: list[NDArray[Any]] = []
        count = 0
        for column in self._columns:
            rest = None if limit is None else limit - count
            rows = self._rows(len(parts))
            parts.append(column.numbers(n=rows, most=rest, allow_null=allow_null))
            count += len(parts[-1])
        if n is not None and count != n:
            try:
                check_rows(count, n)
            except ValueError as error:
                raise ValueError(f"{self.name}, and {len(parts) - 1} more files: {error}") from None
        return np.concatenate(parts)

    def parts(self) -> Iterator[Any]:
        """Yield all values in order, as Arrow arrays of bounded size."""
        for number, column in enumerate(self._columns):
            rows, count = self._rows(number), 0
            for part in column.parts():
                count += len(part)
                if rows is not None and count > rows:
                    break
                yield part
            self._check(column, rows, count)

    def take(self, indices: NDArray[np.int64]) -> Any:
        """Return the values at sorted row `indices`, which may repeat, as an Arrow array."""
        for number, column in enumerate(self._columns):
            self._check(column, self._rows(number), getattr(column, "n", None))
        if len(self._columns) == 1:
            return self._columns[0].take(indices)
        arrow = require("pyarrow", "parquet", f"reading {self.name}")
        assert self._starts is not None
        bounds = np.searchsorted(indices, self._starts)
        parts = [
            self._columns[number].take(
                indices[bounds[number] : bounds[number + 1]] - self._starts[number]
            )
            for number in (np.flatnonzero(np.diff(bounds)).tolist() or [0])
        ]
        kinds = {str(part.type) for part in parts}
        if len(kinds) > 1:
            try:
                parts = [part.cast(parts[0].type) for part in parts]
            except arrow.ArrowInvalid as error:
                raise ValueError(
                    f"{self.name}: shards differ in type: {', '.join(sorted(kinds))[:120]}"
                ) from error
        return arrow.concat_arrays(parts)

    def _rows(self, number: int) -> int | None:
        """Return how many rows a column must hold; None if that is not known."""
        if self._starts is None:
            return None
        return int(self._starts[number + 1] - self._starts[number])

    def _check(self, column: Column, rows: int | None, count: int | None) -> None:
        try:
            if count is not None:
                check_rows(count, rows)
        except ValueError as error:
            raise ValueError(f"{column.name}: {error}") from None
