"""What there is to write: one row per pick, in priority order."""

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
    """What is known of an output before any work.

    Attributes
    ----------
    extension : str
        Of the file, in lower case, with its dot.
    keep : tuple of str
        Columns of the pool to write with the batch.
    id_name : str or None
        What the pool calls its column of ids; None where rows have no ids.
    data_column : str or None
        The kept column that holds what is to be labeled; see `Format.check`.
    kinds : mapping of str to Arrow type
        Of the columns to keep; one whose type is not declared is left out.
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
        ``order`` (0-based priority), ``index`` (pool index), ``id`` (where rows have ids), and,
        where a selection gives them, ``score``, ``cluster``, ``rank`` (0-based place in its
        cluster), ``distance`` (to its centroid), ``group``, ``cost``.
    kept : dict of Arrow array
        The columns that the pool was told to keep.
    """

    own: Columns
    kept: Mapping[str, Any]

    def lists(self) -> dict[str, list[Any]]:
        """Return all columns as lists of what JSON holds, NaN and infinity aside."""
        own = {name: column.tolist() for name, column in self.own.items()}
        return own | {name: plain_values(column, name) for name, column in self.kept.items()}

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield the picks, as `lists` has them."""
        return zip(*self.lists().values(), strict=True)


def batch_table(
    indices: NDArray[np.int64], info: Any = None, *, kept: Mapping[str, Any] | None = None
) -> BatchTable:
    """Return the table of a batch.

    Parameters
    ----------
    indices : ndarray of int64, shape (b,)
        The batch, pool indices.
    info : SelectionInfo or object, optional
        What `select` returned beside it; of any other object the attributes ``ids``, ``scores``,
        ``clusters``, ``ranks``, ``distances``, ``groups``, ``costs`` that it has.
    kept : mapping of str to Arrow array, optional
    """
    columns: Columns = {"order": np.arange(len(indices), dtype=np.int64), "index": indices}
    for name in OWN_NAMES[2:]:
        values = getattr(info, f"{name}s", None)
        if values is not None:
            columns[name] = _array(values)
    return BatchTable(columns, kept or {})


def _array(values: Any) -> NDArray[Any]:
    return values if isinstance(values, np.ndarray) else np.fromiter(values, object, len(values))
