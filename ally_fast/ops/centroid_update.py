"""New centroids from the sums of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from ally_fast import _cpu, _settings
from ally_fast.clusters import ClusterAverages, ClusterSums, FeatureGrid


def centroid_update(
    batch: ClusterSums,
    grid: FeatureGrid,
    averages: ClusterAverages,
    centroids: Any,
    *,
    keep: float,
    add: float,
    normalize: bool,
) -> None:
    """Blend the sums of a batch into the averages, and move the centroids to their ratio, in place.

    Each average becomes ``keep`` times itself plus ``add`` times that of the batch. With ``keep=0``
    and ``add=1``, centroids become the means of the batch's clusters.

    Parameters
    ----------
    batch : ClusterSums
        All arrays are in the same memory.
    grid : FeatureGrid
        The grid of the sums.
    averages : ClusterAverages
    centroids : ndarray or DeviceArray of float32, shape (k, d)
        Centroids of clusters without weight stay.
    keep, add : float
        Finite, at least 0.
    normalize : bool
        Scale the new centroids to unit length; zeros stay.

    Notes
    -----
    O(k d) time. Each number is computed on its own, in float64: the same everywhere.
    """
    options = {"threads": _settings.threads()} if isinstance(centroids, np.ndarray) else {}
    _core(centroids).centroid_update(
        batch.sums,
        batch.counts,
        grid.values,
        keep,
        add,
        normalize,
        averages.sizes,
        averages.sums,
        centroids,
        **options,
    )


def _core(array: Any) -> Any:
    if isinstance(array, np.ndarray):
        return _cpu
    from ally_fast import _cuda

    return _cuda
