"""A column of a text file: numbers are read strictly, anything else as it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.pools.column import ArrowColumn

# Called with n, most and allow_null, like `Column.numbers`.
ReadNumbers = Callable[..., NDArray[Any]]


class TextColumn(ArrowColumn):
    """One value per row of a text file.

    Parameters
    ----------
    name : str
        For messages.
    values : callable
        Returns lists of values in order: texts, integers, anything that Arrow holds.
    numbers : callable
        Reads all values as numbers; see `Column.numbers`.
    untyped : bool
        Whether the format does not tell integers from texts.
    """

    def __init__(
        self,
        name: str,
        values: Callable[[], Iterable[list[Any]]],
        numbers: ReadNumbers,
        *,
        untyped: bool = False,
    ) -> None:
        self.name = name
        self.numbers = numbers  # type: ignore[method-assign]
        self.untyped = untyped
        self._values = values

    def parts(self) -> Iterator[Any]:
        """Yield all values in order, as Arrow arrays of bounded size."""
        arrow = require("pyarrow", "parquet", f"reading {self.name}")
        for values in self._values():
            try:
                yield arrow.array(values)
            except (arrow.ArrowInvalid, arrow.ArrowTypeError) as error:
                reason = str(error).splitlines()[0][:120]
                raise ValueError(f"{self.name} holds values of several kinds: {reason}") from None

    def take(self, indices: NDArray[np.int64]) -> Any:
        """Return the values at sorted row `indices`; reads the whole column."""
        arrow = require("pyarrow", "parquet", f"reading {self.name}")
        parts = list(self.parts())
        values = arrow.concat_arrays(parts) if parts else arrow.array([], arrow.large_string())
        return values.take(arrow.array(indices))
