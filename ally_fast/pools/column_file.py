"""A file of columns, read a group of rows at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import _cpu
from ally_fast.pools.column_choice import ColumnChoice, ColumnChooser
from ally_fast.pools.foreign_errors import foreign_errors
from ally_fast.pools.location import Location
from ally_fast.pools.names import quoted

_SPARE_VALUES = 4 << 20  # a group may declare twice the values of its rows, and so many more


class ColumnFile:
    """Base class of open files whose rows lie in groups; subclasses open and decode them.

    Attributes
    ----------
    path : str
        The file's path or URL, for messages.
    starts : ndarray of int64, shape (groups + 1,)
        The first row of each group, then the number of rows.
    names : list of str
        The names of its columns.
    columns : ColumnChooser
        Finds a column by the name that a user writes.
    """

    part = "row group"  # what messages call a group
    path: str
    starts: NDArray[np.int64]
    names: list[str]
    columns: ColumnChooser

    def __init__(self, location: Location | str | os.PathLike[str]) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Close the file."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise ValueError if rows already returned lie in the file, and it has changed."""

    def declared(self, choice: ColumnChoice, group: int) -> int:
        """Return how many values (or bytes) a group of lists declares; a null may count as one."""
        raise NotImplementedError

    def _batches(self, choice: ColumnChoice, group: int, batch_rows: int) -> Iterator[Any]:
        raise NotImplementedError

    @property
    def n(self) -> int:
        """Number of rows, as declared."""
        return int(self.starts[-1])

    @property
    def groups(self) -> range:
        """The groups."""
        return range(len(self.starts) - 1)

    def rows(self, group: int) -> range:
        """Return the rows of a group."""
        return range(int(self.starts[group]), int(self.starts[group + 1]))

    def named(self, what: str) -> AbstractContextManager[None]:
        """Add the file and the place to every error in the block."""
        return foreign_errors(self.path, what)

    def place(self, choice: ColumnChoice, group: int) -> str:
        """Return what messages call a group of a column."""
        return f"column {quoted(choice.name)}: {self.part} {group}"

    def batches(
        self, choice: ColumnChoice, group: int, batch_rows: int, width: int | None = None
    ) -> Iterator[Any]:
        """Yield one group of a column as Arrow arrays of at most `batch_rows` rows.

        Parameters
        ----------
        choice : ColumnChoice
            From `columns`.
        group : int
            The group.
        batch_rows : int
            Rows to decode at once.
        width : int, optional
            Values, or bytes, expected in a row of variable length. A group that declares far more
            is refused.

        Raises
        ------
        MemoryError, OSError, ValueError
            If the group cannot be decoded, or holds another number of rows than it declares.
        """
        declared = len(self.rows(group))
        if width is not None and not choice.is_pattern:
            values = self.declared(choice, group)
            if values > 2 * declared * width + _SPARE_VALUES:
                raise ValueError(
                    f"{self.path}: {self.place(choice, group)}: declares {values} values for "
                    f"{declared} rows of {width}"
                )
        count = 0
        for part in self._batches(choice, group, batch_rows):
            count += len(part)
            if count <= declared:
                yield part
        if count != declared:
            where = f"{self.path}: {self.place(choice, group)}"
            raise ValueError(f"{where}: declares {declared} rows and holds {count}")


def check_width(name: str, d: int) -> int:
    """Return `d`, the number of values in a row; ValueError if it is too large for the core."""
    if d > _cpu.LARGEST_D:
        raise ValueError(f"{name} holds {d} values in a row, needs at most {_cpu.LARGEST_D}")
    return d
