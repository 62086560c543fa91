"""The way to name a column: ``[SOURCE]:COLUMN[@IDCOLUMN]``."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ally_fast.pools.sources import split_key


@dataclass(frozen=True)
class ColumnSpec:
    """A column, and the id column that says which row each value belongs to.

    Attributes
    ----------
    source : str or None
        Files, as `open_pool` takes them; None: the files of the pool itself.
    column : str or None
        The column's name; None: the only one.
    ids : str or None
        The id column in the same files; None: values are in the order of the rows.
    """

    source: str | None
    column: str | None
    ids: str | None = None

    @classmethod
    def parse(cls, text: str | os.PathLike[str]) -> ColumnSpec:
        """Read ``:score``, ``duals.npy``, ``duals.parquet:score`` or ``duals.parquet:score@id``.

        The id column follows the last ``@`` after the colon.

        Raises
        ------
        ValueError
            If a column of the pool itself has no name, or comes with ids.
        """
        text = os.fspath(text)
        source, key = (None, text[1:]) if text.startswith(":") else split_key(text)
        column, at, ids = (key or "").rpartition("@")
        if not at:
            column, ids = key or "", ""
        if source is None and (ids or not column):
            raise ValueError(
                f"{text}: needs :COLUMN for a column of the pool (without @IDS), or "
                "FILE:COLUMN@IDS for one of another file"
            )
        return cls(source, column or None, ids or None)
