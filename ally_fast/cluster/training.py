"""The rows that k-means trains on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import checks
from ally_fast.cluster.frame import Frame
from ally_fast.cluster.loaded_rows import load_in_frame
from ally_fast.ops.sample_rows import sample_rows
from ally_fast.pools.finite import nonfinite_error
from ally_fast.pools.pool import Pool
from ally_fast.pools.reading import gather_chunks
from ally_fast.progress import Progress

ROWS_PER_CENTROID = 256  # "auto"
_GATHER_BYTES = 4 << 20  # small enough to stay in cache between gathering and loading


@dataclass(frozen=True, eq=False)
class Draw:
    """Which rows to train on, and in which form.

    Attributes
    ----------
    size, seed : int
        Number of rows to draw, without replacement; seed of the draw.
    eligible : ndarray of bool, shape (n,), or None
        Rows to draw from; None: all rows.
    normalize : bool
        Whether to scale them to unit length.
    frame : Frame or None
        Coordinates in which to load them.
    progress : bool
    """

    size: int
    seed: int
    eligible: NDArray[np.bool_] | None = None
    normalize: bool = False
    frame: Frame | None = None
    progress: bool = False


def training_size(train_size: Any, k: int, eligible_rows: int) -> int:
    """Return how many rows to train on: "auto", None (all) or an integer of at least `k`."""
    if train_size is None:
        return eligible_rows
    if isinstance(train_size, str):
        checks.choice(train_size, "train_size", ("auto",))
        return min(eligible_rows, ROWS_PER_CENTROID * k)
    size = checks.integer(train_size, "train_size", 1)
    if size < k:
        raise ValueError(f"train_size: got {size}, needs at least k = {k}")
    return min(eligible_rows, size)


def training_rows(pool: Pool, draw: Draw) -> NDArray[np.float32]:
    """Draw rows, as float32 in random order.

    The order is that of the draw, so every prefix is a sample as well. The pool is read in the
    order of its rows.
    """
    sample = sample_rows(pool.n, draw.size, draw.seed, draw.eligible)
    by_index = np.argsort(sample)
    rows = np.empty((draw.size, pool.d), np.float32)
    step = max(1, _GATHER_BYTES // max(1, pool.d * pool.itemsize))
    with Progress(draw.progress, draw.size, "sample") as bar:
        for part, read in gather_chunks(pool, sample[by_index], step):
            if not load_in_frame(read.seen(draw.normalize), rows, by_index[part], draw.frame):
                raise nonfinite_error(pool, draw.eligible)
            bar.advance(part.stop - part.start)
    pool.check()
    return rows
