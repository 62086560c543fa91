"""k-center greedy: core-set selection by farthest-first traversal."""

from __future__ import annotations

from typing import Any

import numpy as np

from ally_fast import _cpu, _settings


def k_center_greedy(
    rows: Any,
    b: int,
    *,
    starts: Any = None,
    first: int | None = None,
    bf16: bool = False,
    normalize: bool = False,
    positions: Any = None,
) -> tuple[Any, Any]:
    """Pick `b` rows, each time the one farthest from the starting points and the picks so far.

    Equivalent to `b` times ``argmax`` of the least of `squared_distances` to starting points and
    picks, over the rows not yet picked, lowest index on a tie.

    Parameters
    ----------
    rows : ndarray or DeviceArray, shape (n, d)
        As for `ally_fast.ops.assign.assign`. A DeviceArray: the work is done on its device.
    b : int
        At most as many as there are rows to visit. With 0 nothing is read.
    starts : CentroidTable, optional
        Starting points, such as the labeled set; already of unit length with `normalize`. Of
        ``_cpu``, or of ``_cuda`` and the stream of `rows`, as these are.
    first : int, optional
        The first pick: needed without `starts`, and not allowed with them.
    bf16, normalize : bool
        As for `ally_fast.ops.assign.assign`.
    positions : ndarray or DeviceArray of int64, optional
        The rows to choose from, ascending, each once; all of them if None.

    Returns
    -------
    picks : ndarray or DeviceArray of int64, shape (b,)
        Distinct indices into `rows`, in the order picked. Rows without distance left (copies of
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
    if isinstance(rows, np.ndarray):
        return _cpu.k_center_greedy(
            rows,
            b,
            _settings.isa(),
            starts=starts,
            first=first,
            bf16=bf16,
            normalize=normalize,
            positions=positions,
            threads=_settings.threads(),
        )
    from ally_fast import _cuda

    picks = _cuda.DeviceArray.empty((b,), np.int64, rows.stream)
    distances = _cuda.DeviceArray.empty((b,), np.float64, rows.stream)
    _cuda.k_center_greedy(
        rows,
        picks,
        distances,
        starts=starts,
        first=first,
        bf16=bf16,
        normalize=normalize,
        positions=positions,
    )
    return picks, distances
