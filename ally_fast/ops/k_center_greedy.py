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

    Equivalent to `b` times ``argmax`` of the least of `squared_distances` to starting points and
    picks, over the rows not yet picked, lowest index on a tie.

    Parameters
    ----------
    rows : Rows
        To choose from; positions ascend, each once. Rows in device memory: the work is done there.
    b : int
        At most as many as there are rows to visit. With 0 nothing is read.
    starts : PackedPoints, optional
        Starting points, such as the labeled set; already of unit length if rows are normalized.
        Of ``_cpu``, or of ``_cuda`` and the stream of `rows`, as these are.
    first : int, optional
        The first pick: needed without `starts`, and not allowed with them.

    Returns
    -------
    picks : ndarray or DeviceArray of int64, shape (b,)
        Distinct indices into the array, in the order picked. Rows without distance left (copies of
        picks) come last, in order of index.
    distances : ndarray or DeviceArray of float64, shape (b,)
        Squared distance of each pick to the nearest starting point or earlier pick, never
        increasing; infinity for `first`.

    Raises
    ------
    ValueError
        If a row to visit holds a NaN or infinite feature: how many do, and the first of them.

    Notes
    -----
    Within a factor of 2 of the best cover of the rows by `b` balls (Gonzalez 1985). At most
    O(n b d) time, far less as a rule: distances are brought up to date only for rows that could
    be the next pick. Memory of 24 bytes a row, and no array of n x b. On a device a pass over the
    rows for some hundred picks, and 9 bytes a row. The answer does not depend on instruction set,
    threads or device. Sources: Gonzalez, "Clustering to minimize the maximum
    intercluster distance", Theoretical Computer Science 1985; Sener, Savarese, "Active learning
    for convolutional neural networks: a core-set approach", ICLR 2018.
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
