"""How a caller names a column: ``[SOURCE]:COLUMN[@IDCOLUMN]``."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ally_fast.pools.sources import split_key


@dataclass(frozen=True)
class ColumnSpec:
    """A column, and the ids that say which row each of its values is of.

    Attributes
    ----------
    source : str or None
        Files, as `open_pool` takes them; None: those of the pool itself.
    column : str or None
        None: the only one there is.
    ids : str or None
        A column of the same files; None: values go by position.
    """

    source: str | None
    column: str | None
    ids: str | None = None

    @classmethod
    def parse(cls, text: str | os.PathLike[str]) -> ColumnSpec:
        """Read ``:score``, ``duals.npy``, ``duals.parquet:score`` or ``duals.parquet:score@id``.

        The last ``@`` of the column's part opens the id column.

        Raises
        ------
        ValueError
            If a column of the pool itself is to be matched by ids.
        """
        text = os.fspath(text)
        source, key = (None, text[1:]) if text.startswith(":") else split_key(text)
        column, at, ids = (key or "").rpartition("@")
        if not at:
            column, ids = key or "", ""
        if source is None and (ids or not column):
            raise ValueError(
                f"{text}: a column of the pool itself takes no @IDS; write :COLUMN, or "
                "FILE:COLUMN@IDS for another file"
            )
        return cls(source, column or None, ids or None)
