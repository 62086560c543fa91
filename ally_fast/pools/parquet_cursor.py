"""A place in a Parquet column from which rows are decoded onwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from ally_fast.pools.column_choice import ColumnChoice
from ally_fast.pools.column_file import ColumnFile
from ally_fast.vector_column import VectorColumn


class ParquetCursor:
    """A block of rows of one row group, and the decoder of the rows after it.

    Parameters
    ----------
    file : ColumnFile
    choice : ColumnChoice
    column : VectorColumn
        Its shape is known.
    group : int
        The row group; the cursor starts before its first row.
    batch_rows : int
        Number of rows in a block.

    Attributes
    ----------
    start, end : int
        The first row that the cursor can still reach, and the end of the row group.
    """

    def __init__(
        self,
        file: ColumnFile,
        choice: ColumnChoice,
        column: VectorColumn,
        group: int,
        batch_rows: int,
    ) -> None:
        rows = file.rows(group)
        self._column = column
        self._batches: Iterator[Any] = file.batches(choice, group, batch_rows, column.width)
        self.start, self._stop, self.end = rows.start, rows.start, rows.stop
        self._rows: Any = None
        self._matrix: NDArray[Any] | None = None

    @property
    def is_at_end(self) -> bool:
        """Whether this is the last block of its row group."""
        return self._stop == self.end

    def reaches(self, row: int) -> bool:
        """Tell whether the cursor can reach a row."""
        return self.start <= row < self.end

    def block(self, row: int) -> tuple[int, NDArray[Any]]:
        """Return the first row and the vectors of the block that holds a row.

        Blocks in between are decoded and dropped, because Parquet has no other way to the row.
        """
        while row >= self._stop:
            self._rows = next(self._batches)
            self.start, self._stop = self._stop, self._stop + len(self._rows)
            self._matrix = None
            if self._stop == self.end:  # compares the number of rows declared; frees the decoder
                for _ in self._batches:
                    pass
        if self._matrix is None:
            self._matrix = self._column.to_matrix(self._rows)
            self._rows = None
        return self.start, self._matrix
