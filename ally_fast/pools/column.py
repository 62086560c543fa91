"""Columns: one value per row, in addition to the vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.pools.row_count import check_rows

_TYPE_CHARACTERS = 80


class Column(Protocol):
    """One value per row of a file or table: numbers, texts, anything that Arrow holds.

    Attributes
    ----------
    name : str
        File and column, for messages.
    """

    name: str

    def numbers(
        self, *, n: int | None = None, most: int | None = None, allow_null: bool = False
    ) -> NDArray[Any]:
        """Return all values as booleans, integers or floats, as stored.

        Parameters
        ----------
        n, most : int, optional
            The number of rows needed, or the largest number allowed. They are compared with what
            the file declares before values are read, if it declares anything.
        allow_null : bool
            Return a missing number as NaN; integers then become float64.

        Raises
        ------
        TypeError, ValueError
            If the values are not numbers; the message names the file, the column and the row.
        """
        ...

    def parts(self) -> Iterator[Any]:
        """Yield all values in order, as Arrow arrays of bounded size."""
        ...

    def take(self, indices: NDArray[np.int64]) -> Any:
        """Return the values at sorted row `indices`, which may repeat, as an Arrow array."""
        ...


class ArrowColumn:
    """Base class of columns that yield Arrow arrays of a known number and type.

    Subclasses define ``name``, ``n`` (rows as declared), ``kind`` (the Arrow type) and ``parts``.
    If they can reach rows without reading all rows before them, they also define ``take``.
    """

    name: str
    n: int
    kind: Any

    def parts(self) -> Iterator[Any]:
        """Yield all values in order, as Arrow arrays of bounded size."""
        raise NotImplementedError

    def take(self, indices: NDArray[np.int64]) -> Any:
        """Return the values at sorted row `indices`, which may repeat, as an Arrow array."""
        arrow = require("pyarrow", "parquet", f"reading {self.name}")
        parts, start = [], 0
        for part in self.parts():
            lo, hi = np.searchsorted(indices, [start, start + len(part)])
            if hi > lo:
                parts.append(part.take(arrow.array(indices[lo:hi] - start)))
            start += len(part)
            if hi == len(indices):
                break
        return arrow.chunked_array(parts, self.kind).combine_chunks()

    def numbers(
        self, *, n: int | None = None, most: int | None = None, allow_null: bool = False
    ) -> NDArray[Any]:
        """Return all values as booleans, integers or floats, as stored; see `Column`."""
        arrow = require("pyarrow", "parquet", f"reading {self.name}")
        types, kind = arrow.types, self.kind
        truth, whole = types.is_boolean(kind), types.is_integer(kind)
        if not (truth or whole or types.is_floating(kind)):
            shown = str(kind)[:_TYPE_CHARACTERS]
            raise TypeError(f"{self.name} must hold numbers; it holds {shown}")
        try:
            check_rows(self.n, n, most)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        parts, start = [], 0
        for part in self.parts():
            if part.null_count and (truth or not allow_null):
                bad = part.is_null().to_numpy(zero_copy_only=False).argmax()
                raise ValueError(f"{self.name}: row {start + bad} is null")
            parts.append(part)
            start += len(part)
        values = arrow.chunked_array(parts, kind)
        if values.null_count and whole:
            try:
                values = values.cast(arrow.float64())
            except arrow.ArrowInvalid:  # the cast refuses to round
                raise ValueError(
                    f"{self.name} holds nulls, and integers beyond 2**53, which float64 cannot hold"
                ) from None
        read: NDArray[Any] = values.to_numpy()
        return read
