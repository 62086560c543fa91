"""Which rows may be picked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.arrays import as_array
from ally_fast.cluster.engine import Nearness
from ally_fast.device_arrays import host_copy, to_host
from ally_fast.pools.chunks import chunks
from ally_fast.pools.pool import Pool
from ally_fast.progress import Progress
from ally_fast.selection.scores import Scores


def excluded_mask(exclude: Any, n: int) -> NDArray[np.bool_]:
    """Return a new mask, shape (n,), True for the excluded rows.

    Raises
    ------
    ValueError, TypeError
        If `exclude` is neither a mask of `n` booleans nor integer indices in ``[0, n)``.
    """
    given = as_array(host_copy(exclude), "exclude", ndim=1, allow_bool=True).array
    if given.dtype == np.bool_:
        if len(given) != n:
            raise ValueError(f"exclude: got a mask of {len(given)}, needs one of {n} (the rows)")
        return given.copy()
    if given.dtype.kind not in "iu":
        if len(given):
            raise TypeError(f"exclude: got {given.dtype}, needs a bool mask or integer indices")
        given = given.astype(np.int64)
    outside = (given < 0) | (given >= n)
    if outside.any():
        raise ValueError(
            f"exclude: got index {given[outside.argmax()]} at place {int(outside.argmax())}, "
            f"needs indices in [0, {n})"
        )
    mask = np.zeros(n, np.bool_)
    mask[given] = True
    return mask


def eligible_mask(
    scores: Scores, n: int, exclude: Any, max_score: float | None
) -> NDArray[np.bool_] | None:
    """Return the rows not excluded and not scoring above `max_score`; None: all of them."""
    if exclude is None and max_score is None:
        return None
    eligible = np.ones(n, np.bool_) if exclude is None else ~excluded_mask(exclude, n)
    if max_score is not None:
        for lo, hi in chunks(n, 1 << 20):
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
    eligible = np.ones(pool.n, np.bool_) if eligible is None else eligible
    late: list[tuple[int, int, Any]] = []  # in device memory: fetched once all is queued
    with Progress(progress, pool.n, "radius") as bar:
        for lo, hi in chunks(pool.n, chunk_rows, pool=pool):
            if eligible[lo:hi].any():
                late.append((lo, hi, near(pool.read(lo, hi))))
            bar.advance(hi - lo)
    for lo, hi, found in late:
        eligible[lo:hi] &= ~to_host(found)
    return eligible
