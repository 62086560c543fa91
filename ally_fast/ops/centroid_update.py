"""An update of Lloyd's iterations: new centroids from assigned rows."""

from __future__ import annotations

from typing import Any, SupportsFloat

import numpy as np

from ally_fast import _cpu, _settings


def centroid_update(
    rows: Any, assignments: Any, centroids: Any, *, normalize: bool
) -> tuple[Any, Any, Any, SupportsFloat]:
    """Return the means of the clusters as new centroids; each empty one halves one of large spread.

    Equivalent to the mean of ``rows[assignments == c]`` for each cluster, and the sum of squared
    distances to it.

    Parameters
    ----------
    rows : ndarray or DeviceArray of float32, shape (t, d), contiguous
        All arrays are in the same memory, and so is the answer.
    assignments : ndarray of int32, shape (t,)
        In ``[0, k)``.
    centroids : ndarray of float32, shape (k, d), contiguous
        The old ones. Subtracted from the rows first, so that a common offset costs no digits.
    normalize : bool
        Scale the new centroids to unit length; zeros stay.

    Returns
    -------
    centroids : ndarray of float32, shape (k, d)
        An empty cluster and the one of largest spread (lowest index on a tie) are that one's
        mean, set apart by a fixed perturbation; with no spread left it keeps its old centroid.
    counts : ndarray of int64, shape (k,)
    spread : ndarray of float64, shape (k,)
        Sum of squared distances to the mean; 0 for copies of one row.
    inertia : float
        Sum of the spreads; in device memory a number that ``float`` waits for.

    Notes
    -----
    Rows are cut into segments of 16384; within one, a cluster's rows are added in index order, and
    segments are added in order. Spreads are added in the order of `squared_distances`. The same
    answer for any number of threads. O(t d) time.
    """
    if isinstance(rows, np.ndarray):
        return _cpu.centroid_update(
            rows, assignments, centroids, normalize, threads=_settings.threads()
        )
    from ally_fast import _cuda

    k, stream = len(centroids), rows.stream
    updated = _cuda.DeviceArray.empty(centroids.shape, np.float32, stream)
    counts = _cuda.DeviceArray.empty((k,), np.int64, stream)
    spread = _cuda.DeviceArray.empty((k,), np.float64, stream)
    inertia = _cuda.DeviceArray.empty((1,), np.float64, stream)
    _cuda.centroid_update(rows, assignments, centroids, normalize, updated, counts, spread, inertia)
    return updated, counts, spread, _cuda.LateScalar(inertia)
