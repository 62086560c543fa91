"""What comes by id, matched to the rows of the pool."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import checks
from ally_fast.arrays import as_array
from ally_fast.device_arrays import host_copy
from ally_fast.pools.by_id import ById
from ally_fast.pools.column import Column
from ally_fast.pools.ids import Ids, as_ids
from ally_fast.pools.pool import Pool
from ally_fast.selection.labels import Labels, labels_of, labels_of_parts

UNKNOWN_IDS = ("error", "ignore")


@dataclass(frozen=True, eq=False)
class Join:
    """The ids of a pool, and what is to happen with ids that it lacks.

    Attributes
    ----------
    ids : Ids or None
        None: rows have none, and everything goes by position.
    n : int
        Rows of the pool.
    unknown_ids : str
        "error" or "ignore".
    """

    ids: Ids | None
    n: int
    unknown_ids: str

    def excluded(self, exclude_ids: Any) -> NDArray[np.bool_] | None:
        """Return a mask, shape (n,), of the rows whose ids are given; None: no ids are."""
        if exclude_ids is None:
            return None
        given = as_ids(exclude_ids, "exclude_ids")
        rows = self._known(given).places(given)
        self._refuse_unknown(given, rows < 0)
        mask = np.zeros(self.n, np.bool_)
        mask[rows[rows >= 0]] = True
        return mask

    def values(self, given: Any, name: str, eligible: NDArray[np.bool_] | None) -> Any:
        """Return one value a row, from whatever order they come in; by position as they are.

        Parameters
        ----------
        given : array, Column or ById
            Only of rows that are not `eligible` it may lack the value: it is NaN then.
        name : str
            The argument's name, for messages.
        eligible : ndarray of bool, shape (n,), or None
        """
        if not isinstance(given, ById):
            return given.numbers(n=self.n, allow_null=True) if _is_column(given) else given
        keys = as_ids(given.ids, f"{name}.ids")
        keys.check_unique()
        if _is_column(given.values):
            values = given.values.numbers(allow_null=True)
        else:
            values = as_array(host_copy(given.values), f"{name}.values", ndim=1).numbers()
        if len(values) != len(keys):
            raise ValueError(f"{name}: got {len(values)} values for {len(keys)} ids")
        places, missing = self._places(keys, name, eligible)
        if not missing.any():
            return values[places]
        found = values[places] if len(values) else np.zeros(self.n)
        found[missing] = np.nan if found.dtype.kind == "f" else 0  # never looked at
        return found

    def labels(self, given: Any, name: str, eligible: NDArray[np.bool_] | None) -> Labels:
        """Return one label a row: integers, texts; as `values` does for numbers."""
        if not isinstance(given, ById):
            return _labels(given, self.n)
        keys = as_ids(given.ids, f"{name}.ids")
        keys.check_unique()
        labels = _labels(given.values, len(keys))
        if len(labels.codes) != len(keys):
            raise ValueError(f"{name}: got {len(labels.codes)} values for {len(keys)} ids")
        return labels.taken(self._places(keys, name, eligible)[0])

    def _known(self, given: Ids) -> Ids:
        if self.ids is None:
            raise ValueError(
                f"{given.name}: got ids, but the rows of the pool have none; needs ids as well, "
                "or values by position"
            )
        return self.ids

    def _places(
        self, keys: Ids, name: str, eligible: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the place of each row's id among the keys, and which rows' ids are not there."""
        ids = self._known(keys)
        places = keys.places(ids)
        known = np.zeros(len(keys), np.bool_)
        known[places[places >= 0]] = True
        self._refuse_unknown(keys, ~known)
        missing = places < 0
        wanted = missing if eligible is None else missing & eligible
        if wanted.any():
            raise ValueError(
                f"{name}: {int(wanted.sum())} of {self.n} rows have none, the first is row "
                f"{int(wanted.argmax())}, id {ids.shown(wanted)}"
            )
        return places, missing

    def _refuse_unknown(self, given: Ids, unknown: NDArray[np.bool_]) -> None:
        if self.unknown_ids == "error" and unknown.any():
            raise ValueError(
                f"{given.name}: {int(unknown.sum())} of {len(unknown)} are ids of no row, the "
                f"first is {given.shown(unknown)}; needs ids of the pool, or unknown_ids='ignore'"
            )


def checked_join(pool: Pool, ids: Any, unknown_ids: Any) -> Join:
    """Return the join of a pool, by its own ids or by those given; they are read and checked.

    Raises
    ------
    ValueError, TypeError
        If both have ids; if there is not one distinct id for each row.
    """
    checks.choice(unknown_ids, "unknown_ids", UNKNOWN_IDS)
    if ids is not None and pool.ids is not None:
        raise ValueError("ids: got some, but the pool has ids of its own; needs one of them")
    found = pool.ids if ids is None else as_ids(ids, "ids")
    if found is not None:
        found.check_number(pool.n)
        found.check_unique()
    return Join(found, pool.n, unknown_ids)


def _labels(given: Any, n: int) -> Labels:
    return labels_of_parts(_at_most(given, n)) if _is_column(given) else labels_of(given)


def _at_most(column: Column, n: int) -> Iterator[Any]:
    """Yield the parts of a column, which may declare any number of rows, up to those needed."""
    held = 0
    for part in column.parts():
        held += len(part)
        if held > n:
            raise ValueError(f"{column.name}: holds {held} rows or more, needs {n}")
        yield part


def _is_column(given: Any) -> bool:
    return hasattr(given, "numbers") and hasattr(given, "parts")
