"""Find the columns of a file or a table that a name means."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ally_fast._optional import require
from ally_fast.arrow_lists import number_name, side_by_side
from ally_fast.pools.names import missing, quoted
from ally_fast.pools.natural_order import natural_order
from ally_fast.vector_column import VectorColumn, holds_vectors

_STATED = re.compile(r"(?s)(.+)\[(\w+)\]")
_SHOWN = 80


@dataclass(frozen=True)
class ColumnChoice:
    """The meaning of a name: a column, a field within structs, or one column per dimension.

    Attributes
    ----------
    name : str
        For messages.
    paths : tuple of tuple of str
        The column and the fields that lead into its structs; several paths: one per dimension.
    kind : pyarrow.DataType
        The type of the arrays that `of` returns.
    dtype : str or None
        The element type of bytes, if the name says it.
    is_pattern : bool
        Whether a row is made of one column per dimension.
    """

    name: str
    paths: tuple[tuple[str, ...], ...]
    kind: Any
    dtype: str | None = None
    is_pattern: bool = False

    def of(self, batch: Any) -> Any:
        """Return the rows of a ``RecordBatch`` as one array; null if a struct is null."""
        arrays = [_within(batch.column(path[0]), path[1:]) for path in self.paths]
        return side_by_side(arrays) if self.is_pattern else arrays[0]

    def vectors(self, file: str) -> VectorColumn:
        """Return how the rows become vectors; TypeError if they are not vectors."""
        return VectorColumn(self.kind, f"{file}: column {quoted(self.name)}", self.dtype)


class ColumnChooser:
    """Find columns of a file or a table by what a caller writes.

    Parameters
    ----------
    file : str
        The file's name, for messages.
    names : sequence of str
        The names of all columns.
    kind_of : callable
        Returns the Arrow type of a column.
    """

    def __init__(self, file: str, names: Sequence[str], kind_of: Callable[[str], Any]) -> None:
        self._file, self._names, self._kind_of = file, names, kind_of
        self._counts = Counter(names)

    def values(self, column: str | None) -> ColumnChoice:
        """Return a column of one value per row: ``name``, or ``a.b`` within a struct.

        Raises
        ------
        ValueError
            If there is no such column, or there are two. With None: unless there is one column.
        """
        if column is None and len(self._names) == 1:
            (column,) = self._names
        if column is None or (match := self._find(column)) is None:
            raise self._missing(column)
        return ColumnChoice(column, *match)

    def vectors(self, column: str | None) -> ColumnChoice:
        """Return a column of vectors.

        Parameters
        ----------
        column : str or None
            ``name``; ``a.b`` within a struct; ``name[float16]`` for bytes of such numbers;
            ``emb_*`` for all columns of numbers with such a name, in natural order, one per
            dimension. A column whose name is exactly `column` comes first. None: the only column
            that holds lists of numbers.

        Raises
        ------
        TypeError
            If the columns that ``emb_*`` matches do not hold numbers of one type.
        ValueError
            If there is no such column, or there are two.
        """
        if column is None:
            lists = [name for name in self._names if holds_vectors(self._kind_of(name))]
            if len(lists) != 1:
                raise self._missing(None)
            (column,) = lists
        if (match := self._find(column)) is not None:
            return ColumnChoice(column, *match)
        if (stated := _STATED.fullmatch(column)) and (match := self._find(stated[1])) is not None:
            return ColumnChoice(stated[1], *match, stated[2])
        if column.count("*") == 1 and (alike := self._alike(column)):
            return self._side_by_side(column, alike)
        raise self._missing(column)

    def _find(self, column: str) -> tuple[tuple[tuple[str, ...], ...], Any] | None:
        if (count := self._counts[column]) > 1:
            raise ValueError(
                f"{self._file}: {count} columns are called {quoted(column)}; rename all but one"
            )
        if count:
            return ((column,),), self._kind_of(column)
        for name in self._names:
            if column.startswith(f"{name}."):
                inner = _field(self._kind_of(name), column[len(name) + 1 :])
                if inner is not None:
                    return ((name, *inner[0]),), inner[1]
        return None

    def _alike(self, pattern: str) -> list[str]:
        """Return the columns that a pattern with one ``*`` matches, in natural order."""
        before, after = pattern.split("*")
        least = len(before) + len(after)
        names = [
            name
            for name in self._names
            if name.startswith(before) and name.endswith(after) and len(name) > least
        ]
        numbered = [name[len(before) : len(name) - len(after)].isdecimal() for name in names]
        if any(numbered) and not all(numbered):
            raise ValueError(
                f"{self._file}: columns {quoted(pattern)}: {quoted(names[numbered.index(False)])} "
                f"matches, but has no number there, unlike {quoted(names[numbered.index(True)])}"
            )
        return sorted(names, key=natural_order)

    def _side_by_side(self, pattern: str, names: list[str]) -> ColumnChoice:
        first = self._kind_of(names[0])
        for name in names:
            self._find(name)  # refuses two columns of one name
            kind = self._kind_of(name)
            if number_name(kind) is None or kind != first:
                needed = "numbers" if number_name(first) is None else str(first)
                raise TypeError(
                    f"{self._file}: columns {quoted(pattern)}: {quoted(name)} holds "
                    f"{str(kind)[:_SHOWN]}, needs {needed} like {quoted(names[0])}"
                )
        lists = require("pyarrow", "parquet", self._file).list_(first, len(names))
        return ColumnChoice(pattern, tuple((name,) for name in names), lists, is_pattern=True)

    def _missing(self, column: str | None) -> ValueError:
        return ValueError(f"{self._file}: {missing(column, self._names, 'column')}")


def _field(kind: Any, path: str) -> tuple[tuple[str, ...], Any] | None:
    """Return the names that lead to a field of structs, and its type."""
    arrow = require("pyarrow", "parquet")
    if not arrow.types.is_struct(kind):
        return None
    for field in kind:
        if field.name == path:
            return (path,), field.type
        if path.startswith(f"{field.name}."):
            inner = _field(field.type, path[len(field.name) + 1 :])
            if inner is not None:
                return (field.name, *inner[0]), inner[1]
    return None


def _within(array: Any, path: tuple[str, ...]) -> Any:
    if not path:
        return array
    return require("pyarrow.compute", "parquet").struct_field(array, list(path))
