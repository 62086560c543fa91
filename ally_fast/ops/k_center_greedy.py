"""k-center greedy: core-set selection by farthest-first traversal."""

from __future__ import annotations

from typing import Any

import numpy as np

from ally_fast import _cpu, _settings
from ally_fast.rows import Rows


def k_center_greedy(
    rows: Rows, b: int, *, starts: Any = None, first: int | None = None
) -> tuple[Any, Any]:
    """Pick `b` rows, each time the one farthest from the starting points and the picks so far.

    Equivalent to repeating this `b` times: take the minimum of `squared_distances` to starting
    points and picks, then ``argmax`` over the rows not yet picked, lowest index on a tie.

    Parameters
    ----------
    rows : Rows
        Rows to choose from; positions ascend, each once. A device works on rows in its memory.
    b : int
        At most the number of rows to visit. With 0 nothing is read.
    starts : PackedPoints, optional
        Starting points, such as the labeled set; already of unit length if rows are normalized. A
        table of ``_cpu``, or for rows on a device one of ``_cuda`` on the stream of `rows`.
    first : int, optional
        The first pick: needed without `starts`, and not allowed with them.

    Returns
    -------
    picks : ndarray or DeviceArray of int64, shape (b,)
        Distinct indices into the array, in the order of the picks. Rows at distance 0 (copies of
        picks) come last, in order of index.
    distances : ndarray or DeviceArray of float64, shape (b,)
        Squared distance of each pick to the nearest starting point or earlier pick. It never
        increases; it is infinity for `first`.

    Raises
    ------
    ValueError
        If rows to visit hold a NaN or infinite feature; the message says how many do, and which is
        the first.

    Notes
    -----
    The picks cover the rows by `b` balls within a factor of 2 of the best cover (Gonzalez 1985).
    Time: at most O(n b d), usually far less, because distances are updated only for rows that could
    be the next pick. Memory: 24 bytes a row, and no array of n x b. A device makes one pass over
    the rows for some hundred picks, and needs 9 bytes a row. The answer does not depend on
    instruction set, threads or device. Sources: Gonzalez, "Clustering to minimize the maximum
    intercluster distance", Theoretical Computer Science 1985; Sener, Savarese, "Active learning for
    convolutional neural networks: a core-set approach", ICLR 2018.
    """
    if isinstance(rows.array, np.ndarray):
        return _cpu.k_center_greedy(
            rows.array,
            b,
            _settings.isa(),
            starts=starts,
            first=first,
            **rows.view,
            threads=_settings.threads(),
        )
    from ally_fast import _cuda

    stream = rows.array.stream
    picks = _cuda.DeviceArray.empty((b,), np.int64, stream)
    distances = _cuda.DeviceArray.empty((b,), np.float64, stream)
    _cuda.k_center_greedy(rows.array, picks, distances, starts=starts, first=first, **rows.view)
    return picks, distances
