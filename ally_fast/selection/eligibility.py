"""Which rows may be picked."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.arrays import as_array
from ally_fast.cluster.engine import Nearness
from ally_fast.device_arrays import host_copy
from ally_fast.memory import to_host
from ally_fast.pools.chunks import chunks
from ally_fast.pools.pool import Pool
from ally_fast.pools.reading import map_chunks
from ally_fast.progress import Progress
from ally_fast.selection.scores import Scores


def excluded_mask(exclude: Any, n: int, name: str = "exclude") -> NDArray[np.bool_]:
    """Return a new mask, shape (n,), True for the excluded rows.

    Parameters
    ----------
    exclude : array or set
        A mask of `n` booleans, or integer indices, which may repeat.
    n : int
    name : str
        The argument's name, for messages.

    Raises
    ------
    ValueError, TypeError
        If `exclude` is neither a mask of `n` booleans nor integer indices in ``[0, n)``. Also if it
        looks like a mask of integers (at most two values, which repeat): it would be read as
        indices.
    """
    values = list(exclude) if isinstance(exclude, Set) else host_copy(exclude)
    view = as_array(values, name, ndim=1, allow_bool=True)
    values = view.numbers()
    if values.dtype == np.bool_:
        if len(values) != n:
            raise ValueError(
                f"{name}: got a mask of {len(values)} values, needs one for each of {n} rows"
            )
        return values.copy()
    if values.dtype.kind not in "iu":
        if len(values):
            raise TypeError(f"{name}: got {view.dtype_name}, needs a bool mask or integer indices")
        values = values.astype(np.int64)
    _check_no_mask(values, name)
    outside = (values < 0) | (values >= n)
    if outside.any():
        raise ValueError(
            f"{name}: got index {values[outside.argmax()]} at place {int(outside.argmax())}, "
            f"needs indices in [0, {n})"
        )
    mask = np.zeros(n, np.bool_)
    mask[values] = True
    return mask


def _check_no_mask(indices: NDArray[Any], name: str) -> None:
    """Raise ValueError for a mask of integers (0 and 1, 0 and 255): it has at most two values."""
    if not len(indices):
        return
    low, high = indices.min(), indices.max()
    repeats = len(indices) > 1 + int(low != high)
    if repeats and ((indices == low) | (indices == high)).all():
        values = f"all {low}" if low == high else f"all {low} or {high}"
        raise ValueError(
            f"{name}: got {len(indices)} integers, {values}: a mask must be booleans, "
            "as .astype(bool) makes them; indices of so few rows must not repeat"
        )


def rows_not_excluded(
    exclude: Any, n: int, also: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_] | None:
    """Return a new mask of the rows that neither argument excludes; None: all rows."""
    if exclude is None:
        return None if also is None else ~also
    mask = excluded_mask(exclude, n)
    return ~mask if also is None else ~(mask | also)


def count_eligible(eligible: NDArray[np.bool_] | None, n: int) -> int:
    """Return how many rows of `n` are eligible (None: all)."""
    return n if eligible is None else int(np.count_nonzero(eligible))


def check_budget(b: int, eligible: NDArray[np.bool_] | None, n: int, after: str = "") -> None:
    """Raise ValueError if fewer than `b` rows are eligible; `after` names the option to blame."""
    count = count_eligible(eligible, n)
    if count < b:
        raise ValueError(f"b: got {b}, needs at most the {count} eligible rows of {n}{after}")


def drop_rows_above(
    scores: Scores, n: int, eligible: NDArray[np.bool_] | None, max_score: float | None
) -> NDArray[np.bool_] | None:
    """Return the eligible rows (None: all) that do not score above `max_score`."""
    if max_score is None:
        return eligible
    eligible = np.ones(n, np.bool_) if eligible is None else eligible
    for lo, hi in chunks(n, 1 << 20):
        with np.errstate(invalid="ignore"):  # excluded rows may score NaN
            eligible[lo:hi] &= scores.read(lo, hi) <= max_score
    return eligible


def drop_rows_near(
    pool: Pool,
    near: Nearness,
    eligible: NDArray[np.bool_] | None,
    *,
    chunk_rows: int,
    progress: bool,
) -> NDArray[np.bool_]:
    """Return the eligible rows that are not `near`; a row that is not finite is near nothing."""
    eligible = np.ones(pool.n, np.bool_) if eligible is None else eligible.copy()
    late: list[tuple[int, int, Any]] = []  # in device memory: fetched once all is queued
    with Progress(progress, pool.n, "radius") as bar:
        for lo, hi, mask in map_chunks(pool, near, chunk_rows, eligible):
            if mask is not None:
                late.append((lo, hi, mask))
            bar.advance(hi - lo)
    for lo, hi, mask in late:
        eligible[lo:hi] &= ~to_host(mask)
    return eligible
