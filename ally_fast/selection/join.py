"""Match values that come by id to the rows of the pool."""

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
    """The ids of a pool, and what happens to ids that the pool lacks.

    Attributes
    ----------
    ids : Ids or None
        None: rows have no ids, and everything goes by position.
    n : int
        Rows of the pool.
    unknown_ids : str
        "error" or "ignore".
    """

    ids: Ids | None
    n: int
    unknown_ids: str

    def excluded(self, exclude_ids: Any) -> NDArray[np.bool_] | None:
        """Return a mask, shape (n,), of the rows with these ids; None without ids."""
        if exclude_ids is None:
            return None
        others = as_ids(exclude_ids, "exclude_ids")
        rows = self._known(others).places(others)
        self._refuse_unknown(others, rows < 0)
        mask = np.zeros(self.n, np.bool_)
        mask[rows[rows >= 0]] = True
        return mask

    def values(self, source: Any, name: str, eligible: NDArray[np.bool_] | None) -> Any:
        """Return one value for each row, matched by id, or as they are if they come by position.

        Parameters
        ----------
        source : array, Column or ById
            It may lack values of rows that are not `eligible`; those are NaN.
        name : str
            The argument's name, for messages.
        eligible : ndarray of bool, shape (n,), or None
        """
        if not isinstance(source, ById):
            return source.numbers(n=self.n, allow_null=True) if _is_column(source) else source
        keys = as_ids(source.ids, f"{name}.ids")
        keys.check_unique()
        if _is_column(source.values):
            values = source.values.numbers(allow_null=True)
        else:
            values = as_array(host_copy(source.values), f"{name}.values", ndim=1).numbers()
        if len(values) != len(keys):
            raise ValueError(
                f"{name}: got {len(values)} values for {len(keys)} ids, needs one for each id"
            )
        positions, missing = self._positions(keys, name, eligible)
        if not missing.any():
            return values[positions]
        matched = values[positions] if len(values) else np.zeros(self.n)
        matched[missing] = np.nan if matched.dtype.kind == "f" else 0  # never looked at
        return matched

    def labels(self, source: Any, name: str, eligible: NDArray[np.bool_] | None) -> Labels:
        """Return one label for each row: integers or texts, matched as `values` matches numbers."""
        if not isinstance(source, ById):
            return _labels(source, self.n)
        keys = as_ids(source.ids, f"{name}.ids")
        keys.check_unique()
        labels = _labels(source.values, len(keys))
        if len(labels.codes) != len(keys):
            raise ValueError(
                f"{name}: got {len(labels.codes)} values for {len(keys)} ids, needs one for each id"
            )
        return labels.taken(self._positions(keys, name, eligible)[0])

    def _known(self, others: Ids) -> Ids:
        if self.ids is None:
            raise ValueError(
                f"{others.name}: got ids, but the pool has none; needs ids of the pool as well, "
                "or values in the order of the rows"
            )
        return self.ids

    def _positions(
        self, keys: Ids, name: str, eligible: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the position of each row's id among the keys, and which rows have no key."""
        ids = self._known(keys)
        positions = keys.places(ids)
        is_known = np.zeros(len(keys), np.bool_)
        is_known[positions[positions >= 0]] = True
        self._refuse_unknown(keys, ~is_known)
        missing = positions < 0
        bad = missing if eligible is None else missing & eligible
        if bad.any():
            raise ValueError(
                f"{name}: {int(bad.sum())} of {self.n} rows have no value, the first is row "
                f"{int(bad.argmax())}, id {ids.shown(bad)}"
            )
        return positions, missing

    def _refuse_unknown(self, others: Ids, unknown: NDArray[np.bool_]) -> None:
        if self.unknown_ids == "error" and unknown.any():
            raise ValueError(
                f"{others.name}: {int(unknown.sum())} of {len(unknown)} ids belong to no row, the "
                f"first is {others.shown(unknown)}; needs ids of the pool, or unknown_ids='ignore'"
            )


def checked_join(pool: Pool, ids: Any, unknown_ids: Any) -> Join:
    """Return the join of a pool, by the pool's own ids or by those you give; read and check them.

    Raises
    ------
    ValueError, TypeError
        If both exist, or if there is not one distinct id for each row.
    """
    checks.choice(unknown_ids, "unknown_ids", UNKNOWN_IDS)
    if ids is not None and pool.ids is not None:
        raise ValueError("ids: got ids, but the pool has its own; needs only one of the two")
    own = pool.ids if ids is None else as_ids(ids, "ids")
    if own is not None:
        own.check_number(pool.n)
        own.check_unique()
    return Join(own, pool.n, unknown_ids)


def _labels(source: Any, n: int) -> Labels:
    return labels_of_parts(_at_most(source, n)) if _is_column(source) else labels_of(source)


def _at_most(column: Column, n: int) -> Iterator[Any]:
    """Yield the parts of a column up to the rows needed; the column may declare any number."""
    count = 0
    for part in column.parts():
        count += len(part)
        if count > n:
            raise ValueError(f"{column.name}: holds {count} rows or more, needs {n}")
        yield part


def _is_column(source: Any) -> bool:
    return hasattr(source, "numbers") and hasattr(source, "parts")
