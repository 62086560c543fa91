"""The table of a batch: one row per pick, in priority order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.exports.plain import plain_values

Columns = dict[str, NDArray[Any]]

OWN_NAMES = ("order", "index", "id", "score", "cluster", "rank", "distance", "group", "cost")


@dataclass(frozen=True)
class Wanted:
    """The request for an output, known before any work.

    Attributes
    ----------
    extension : str
        The file's extension, in lower case, with its dot.
    keep : tuple of str
        Columns of the pool to write with the batch.
    id_name : str or None
        The name of the pool's id column; None if rows have no ids.
    data_column : str or None
        The kept column that holds what to label; see `Format.check`.
    kinds : mapping of str to Arrow type
        The types of the columns to keep; a column that declares no type is left out.
    """

    extension: str
    keep: tuple[str, ...] = ()
    id_name: str | None = None
    data_column: str | None = None
    kinds: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class BatchTable:
    """The columns of a batch, each of shape (b,).

    Attributes
    ----------
    own : dict of ndarray
        ``order`` (0-based priority), ``index`` (pool index), ``id`` (if rows have ids), and, if
        the selection gives them, ``score``, ``cluster``, ``rank`` (0-based place in its cluster),
        ``distance`` (to its centroid), ``group``, ``cost``.
    kept : dict of Arrow array
        The columns that the pool keeps.
    """

    own: Columns
    kept: Mapping[str, Any]

    def lists(self) -> dict[str, list[Any]]:
        """Return all columns as lists of JSON values, except that NaN and infinity may occur."""
        own = {name: column.tolist() for name, column in self.own.items()}
        return own | {name: plain_values(column, name) for name, column in self.kept.items()}

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield the picks as tuples of the values of `lists`."""
        return zip(*self.lists().values(), strict=True)


def batch_table(
    indices: NDArray[np.int64], info: Any = None, *, kept: Mapping[str, Any] | None = None
) -> BatchTable:
    """Return the table of a batch.

    Parameters
    ----------
    indices : ndarray of int64, shape (b,)
        The batch, as pool indices.
    info : SelectionInfo or object, optional
        The second value that `select` returned. Any other object may have some of the attributes
        ``ids``, ``scores``, ``clusters``, ``ranks``, ``distances``, ``groups``, ``costs``.
    kept : mapping of str to Arrow array, optional
        Kept columns, one value for each pick.

    Returns
    -------
    BatchTable
    """
    columns: Columns = {"order": np.arange(len(indices), dtype=np.int64), "index": indices}
    for name in OWN_NAMES[2:]:
        values = getattr(info, f"{name}s", None)
        if values is not None:
            columns[name] = _array(values)
    return BatchTable(columns, kept or {})


def _array(values: Any) -> NDArray[Any]:
    return values if isinstance(values, np.ndarray) else np.fromiter(values, object, len(values))
