"""What all engines that compute in host memory share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import _settings
from ally_fast.cluster.training import training_rows
from ally_fast.ops.assign import packed_points
from ally_fast.ops.radius_filter import radius_filter
from ally_fast.ops.shortlist import Shortlist
from ally_fast.rows import Rows

# Rows as they are to be seen -> the clusters of those visited, whether all are finite.
Search = Callable[[Rows], tuple[NDArray[np.int32], bool]]


class HostEngine:
    """Base of the engines that take rows in host memory.

    Parameters
    ----------
    devices : tuple of str
        Where the engine computes.
    """

    def __init__(self, devices: tuple[str, ...] = ("cpu",)) -> None:
        self.device = ",".join(devices)
        self.isa = _settings.isa()

    training_rows = staticmethod(training_rows)

    def nearness(self, points: NDArray[Any], radius: float, *, normalize: bool) -> HostNearness:
        """Pack the points."""
        return HostNearness(points, radius, normalize)


class HostNearness:
    """Tells which rows lie within a radius of one of the points."""

    def __init__(self, points: NDArray[Any], radius: float, normalize: bool) -> None:
        self._table = packed_points(points)
        self._made_with = (points, radius, normalize)
        self._radius = radius
        self._normalize = normalize

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle only the points: the worker packs them."""
        return type(self), self._made_with

    def __call__(
        self, rows: Rows, first: int = 0, mask: NDArray[np.bool_] | None = None
    ) -> NDArray[np.bool_]:
        """Return one boolean for each row."""
        return radius_filter(rows.seen(self._normalize), self._table, self._radius)


class HostAssigner:
    """The search of an engine, without the rows that are not eligible."""

    device = "cpu"

    def __init__(self, search: Search, normalize: bool) -> None:
        self._search = search
        self._normalize = normalize
        self._nonfinite = False

    def __call__(self, rows: Rows, eligible: NDArray[np.bool_] | None) -> NDArray[np.int32]:
        """Return the cluster of each row; -1 if it is not eligible."""
        positions = None
        if eligible is not None and not eligible.all():
            positions = np.flatnonzero(eligible)
        clusters, finite = self._search(rows.seen(self._normalize, positions))
        self._nonfinite |= not finite
        if positions is None:
            return clusters
        assignments = np.full(len(rows), -1, np.int32)
        assignments[positions] = clusters
        return assignments

    def met_nonfinite(self, *, wait: bool) -> bool:
        """Tell whether an eligible row was not finite."""
        return self._nonfinite

    def shortlister(
        self, k: int, b: int, weights: NDArray[np.float64], tie_seed: int | None
    ) -> HostShortlister:
        """Return a collector in host memory."""
        return HostShortlister(Shortlist(k, b, weights, tie_seed))


class HostShortlister:
    """A `Shortlist` that the pass over a pool fills."""

    def __init__(self, shortlist: Shortlist) -> None:
        self._shortlist = shortlist

    def push(self, assignments: NDArray[np.int32], scores: NDArray[Any], first: int) -> None:
        """Take rows from `first` on."""
        self._shortlist.push(assignments, scores, first=first)

    def entries(self) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.int64]]:
        """Return clusters, scores and indices of the rows kept so far."""
        return self._shortlist.entries()

    def merge_into(self, shortlist: Shortlist) -> None:
        """Add what was collected to another shortlist."""
        shortlist.merge(self._shortlist)
