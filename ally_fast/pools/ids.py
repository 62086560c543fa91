"""Ids: the user's names of rows, integers or texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.arrow_arrays import is_arrow
from ally_fast.pools.names import quoted
from ally_fast.pools.taken import taken_as_stored

_MOST = 2**31 - 1  # Arrow finds values by an int32


class Ids:
    """Hold one id per row: all integers or all texts, none missing, none repeated.

    Parameters
    ----------
    column : Column or array
        Integers (of any width) or texts, in any form that pyarrow takes.
    name : str
        The name of the ids in messages.

    Notes
    -----
    `values` reads the column once and keeps it: 8 bytes a row for integers, 8 bytes plus the text
    for texts. A lookup also needs a hash table of the smaller side.
    """

    def __init__(self, column: Any, name: str = "ids") -> None:
        self._column = column
        self.name = name
        self._values: Any = None
        self._unique = False

    def __getstate__(self) -> dict[str, Any]:
        """Return the state to pickle, without the ids read: a worker needs one of them at most."""
        return {**self.__dict__, "_values": None}

    def __len__(self) -> int:
        """Return the number of ids; reads them."""
        return len(self.values())

    def values(self) -> Any:
        """Return all ids as an Arrow array of int64 or large_string.

        Raises
        ------
        TypeError
            If the ids are neither integers nor texts.
        ValueError
            If an id is missing, or there are too many.
        """
        if self._values is None:
            self._values = _normalized(self._column, self.name)
        return self._values

    def check_unique(self) -> None:
        """Raise ValueError if ids repeat; it counts them and shows the first with its rows."""
        if self._unique:
            return
        values = self.values()
        first = self._find(values, values)
        rows = np.arange(len(values))
        twice = first != rows
        if twice.any():
            row = int(twice.argmax())
            raise ValueError(
                f"{self.name}: {int(twice.sum())} of {len(values)} ids are repeated; the first is "
                f"{_shown(values, row)}, in rows {first[row]} and {row}; needs distinct ids"
            )
        self._unique = True

    def check_number(self, n: int) -> None:
        """Raise ValueError unless there are `n` ids."""
        if len(self) != n:
            raise ValueError(f"{self.name}: got {len(self)}, needs one for each of {n} rows")

    def take(self, indices: NDArray[np.int64]) -> Any:
        """Return the ids of rows, in the order of `indices`, as an Arrow array; reads no others."""
        if self._values is not None or not hasattr(self._column, "parts"):
            return self.values().take(require("pyarrow", "parquet", self.name).array(indices))
        return taken_as_stored(self._column, indices)

    def shown(self, mask: NDArray[np.bool_]) -> str:
        """Return the first id of a mask as messages show it."""
        return _shown(self.values(), int(mask.argmax()))

    def places(self, others: Ids) -> NDArray[np.int64]:
        """Return the row of each of the `others`; -1 for an id that no row has.

        Raises
        ------
        TypeError
            If one side holds integers and the other texts.
        """
        ours, theirs = self.values(), others.values()
        if ours.type != theirs.type and len(ours) and len(theirs):
            if others.untyped:
                theirs = others.as_integers()
            elif self.untyped:
                ours = self.as_integers()
            else:
                raise TypeError(
                    f"{others.name}: got {_kind(theirs)}, needs {_kind(ours)} like {self.name}"
                )
        return self._find(theirs, ours)

    @property
    def untyped(self) -> bool:
        """Whether the ids come from a format without types, such as CSV: integers read as texts."""
        return bool(getattr(self._column, "untyped", False))

    def as_integers(self) -> Any:
        """Return `untyped` ids as integers, to compare them with integers.

        Raises
        ------
        ValueError
            If an id is not written as Python writes a 64-bit integer; ``007`` is refused.
        """
        arrow = require("pyarrow", "parquet", self.name)
        compute = require("pyarrow.compute", "parquet", self.name)
        texts = self.values()
        plain = compute.match_substring_regex(texts, r"^(0|-?[1-9]\d{0,18})$")
        bad = ~plain.to_numpy(zero_copy_only=False)
        if bad.any():
            raise ValueError(
                f"{self.name}: {self.shown(bad)} is not an integer, but the other ids are"
            )
        try:
            return texts.cast(arrow.int64())
        except arrow.ArrowInvalid:
            raise ValueError(f"{self.name}: holds an integer beyond int64") from None

    def _find(self, needles: Any, haystack: Any) -> NDArray[np.int64]:
        compute = require("pyarrow.compute", "parquet", self.name)
        if not len(needles) or not len(haystack):
            return np.full(len(needles), -1, np.int64)
        positions = compute.index_in(needles, value_set=haystack).fill_null(-1)
        return np.asarray(positions.to_numpy(zero_copy_only=False), np.int64)


def as_ids(values: Any, name: str = "ids") -> Ids:
    """Return `values` itself if it is `Ids`, otherwise `Ids` of a column, an array or a list."""
    return values if isinstance(values, Ids) else Ids(values, name)


def _normalized(column: Any, name: str) -> Any:
    arrow = require("pyarrow", "parquet", name)
    parts: Iterable[Any]
    if is_arrow(column):
        parts = column.chunks if isinstance(column, arrow.ChunkedArray) else [column]
    elif hasattr(column, "parts"):
        parts = column.parts()
    else:
        parts = [_from_python(column, name, arrow)]
    whole, start = [], 0
    for part in parts:
        if isinstance(part.type, arrow.DictionaryType):
            part = part.dictionary_decode()
        if part.null_count:
            row = start + int(part.is_null().to_numpy(zero_copy_only=False).argmax())
            raise ValueError(f"{name}: the id of row {row} is missing")
        whole.append(_cast(part, name, arrow))
        start += len(part)
        if start > _MOST:
            raise ValueError(f"{name}: more than {_MOST} ids; select from a pool without ids")
    whole = [part for part in whole if len(part)] or whole[:1]
    kinds = {_kind(part) for part in whole}
    if len(kinds) > 1:
        raise TypeError(f"{name}: some are integers and some are texts; needs one kind")
    return arrow.concat_arrays(whole) if whole else arrow.array([], arrow.large_string())


def _from_python(column: Any, name: str, arrow: Any) -> Any:
    if hasattr(column, "__arrow_c_stream__"):
        return arrow.chunked_array(column).combine_chunks()
    if hasattr(column, "__arrow_c_array__"):
        return arrow.array(column)
    if isinstance(column, str | bytes) or not hasattr(column, "__iter__"):
        raise TypeError(f"{name}: got {column!r:.40}, needs one id for each row")
    try:
        if not hasattr(column, "dtype"):  # NumPy would make texts of integers among texts
            return arrow.array(list(column))
        array = np.asarray(column)
        if array.dtype.kind in "iu":
            return arrow.array(array)
        return arrow.array(array.tolist())
    except (arrow.ArrowInvalid, arrow.ArrowTypeError, ValueError, OverflowError) as error:
        raise TypeError(f"{name}: needs integers or texts; {str(error).splitlines()[0]}") from None


def _cast(part: Any, name: str, arrow: Any) -> Any:
    types, kind = arrow.types, part.type
    if not len(part) and types.is_null(kind):
        return arrow.array([], arrow.large_string())
    if types.is_integer(kind):
        try:
            return part.cast(arrow.int64())
        except arrow.ArrowInvalid:
            raise ValueError(f"{name}: holds an integer beyond int64") from None
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return part.cast(arrow.large_string())
    raise TypeError(f"{name} must be integers or texts; got {quoted(str(kind))}")


def _kind(values: Any) -> str:
    return "integers" if str(values.type) == "int64" else "texts"


def _shown(values: Any, row: int) -> str:
    value = values[row].as_py()
    return quoted(value) if isinstance(value, str) else str(value)
