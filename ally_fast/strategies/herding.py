"""Herding: choose rows that cover, within a kernel, what no label covers yet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import checks
from ally_fast.cluster.arguments import METRICS, checked_points, checked_pool
from ally_fast.cluster.loaded_rows import loaded
from ally_fast.cluster.magnitude import LARGEST, check_squares
from ally_fast.ops.sample_rows import sample_rows
from ally_fast.pools.pool import Pool, as_float
from ally_fast.pools.reading import gather_rows, read_chunks
from ally_fast.rows import Rows
from ally_fast.strategies.contract import Context
from ally_fast.strategies.coverage import Cover, LazyGreedy
from ally_fast.strategies.kernel import HORIZON, KERNEL_BITS, kernel
from ally_fast.strategies.near_points import NearPoints, smallest_distance
from ally_fast.strategies.parameters import Parameters
from ally_fast.strategies.pieces import check_magnitude, host_pool
from ally_fast.strategies.request import NO_ROWS, Request, open_request

_FEWEST, _PER_PICK, MOST_TARGETS = 4096, 4, 1 << 16
_MOST_PAIRS = 1 << 27  # of candidates and targets, 6 bytes each
_PILOT = 1024  # candidates whose pairs are counted in advance
_STAND_INS = 50  # targets that give the kernel's width if labeled rows do not


@dataclass(frozen=True, eq=False)
class _Targets:
    """The rows to cover.

    Attributes
    ----------
    points : ndarray of float, shape (t, d)
    weights : ndarray of int64, shape (t,)
        Above 0.
    covered : ndarray of int32, shape (t,)
        How well labeled rows cover each target.
    limits : ndarray of float64, shape (t,)
        Squared distance below which a candidate can cover the target better.
    width : float
        Width of the kernel.
    """

    points: NDArray[Any]
    weights: NDArray[np.int64]
    covered: NDArray[np.int32]
    limits: NDArray[np.float64]
    width: float


class Herding(Parameters, ABC):
    """Pick, again and again, the row that adds most to the cover of the pool.

    A batch covers the sum over target rows of their weight times the kernel
    ``exp(-(distance / width)**2)`` between the target and the nearest labeled or chosen row. A
    strategy of this kind defines the weights of targets.

    Parameters
    ----------
    width : float, optional
        Width of the kernel, above 0. None: the smallest distance above 0 between two labeled rows.
    targets : int, optional
        Number of rows to cover, drawn at random. None: ``max(4096, 4 b)``, at most 65,536.
    metric : "euclidean" or "cosine"
        "cosine" compares rows at unit length.
    """

    name: str
    pieces: tuple[str, ...] = ()

    def __init__(
        self,
        *,
        width: float | None = None,
        targets: int | None = None,
        metric: str = "euclidean",
    ) -> None:
        if width is not None and not 0 < checks.number(width, "width") < np.inf:
            raise ValueError(f"width: got {width}, needs a number above 0")
        if targets is not None and checks.integer(targets, "targets", 1) > MOST_TARGETS:
            raise ValueError(f"targets: got {targets}, needs at most {MOST_TARGETS}")
        checks.choice(metric, "metric", METRICS)
        self.width = width
        self.targets = targets
        self.metric = metric

    @abstractmethod
    def _weights(
        self, context: Context, request: Request, indices: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the weight of each target, at least 0; `indices` are their rows, ascending."""

    def query(self, context: Context, b: int) -> NDArray[np.int64]:
        """Return `b` rows in the order of the picks; see `Strategy`."""
        needed = ("embeddings", "labeled_embeddings", *self.pieces)
        request = open_request(self.name, context, b, *needed)
        pool = checked_pool(host_pool(self.name, context))
        normalize = self.metric == "cosine"
        labeled = checked_points(
            context.labeled_embeddings, "labeled_embeddings", pool.d, normalize
        )
        if request.b == 0:
            return NO_ROWS.copy()
        count = request.n if request.eligible is None else int(request.eligible.sum())
        size = min(count, self._target_count(request.b))
        draw = sample_rows(request.n, size, context.seed, request.eligible)
        order = np.argsort(draw)
        points = self._points(gather_rows(pool, draw[order]), draw[order])
        pool.check()
        if not normalize:
            check_squares(points, f"{self.name}: embeddings", draw[order])
        weights = self._weights(context, request, draw[order])
        in_order = points[np.argsort(order)]
        targets = self._covered(points, weights, labeled, in_order)
        near = NearPoints(targets.points)
        chosen = request.eligible
        most = _candidate_count(near, targets, in_order[:_PILOT], count, request.b)
        if most < count:
            chosen = np.zeros(request.n, np.bool_)
            chosen[sample_rows(request.n, most, context.seed, request.eligible)] = True
        cover = self._cover(pool, request, near, targets, chosen)
        greedy = LazyGreedy(cover, targets.weights, targets.covered)
        picks = np.array([greedy.pick() for _ in range(request.b)])
        return picks if chosen is None else np.flatnonzero(chosen)[picks]

    def _target_count(self, b: int) -> int:
        if self.targets is not None:
            return int(self.targets)
        return min(max(_FEWEST, _PER_PICK * b), MOST_TARGETS)

    def _points(self, rows: Rows, where: int | NDArray[np.int64]) -> NDArray[Any]:
        """Return the rows as they are compared; for `where`, see `check_magnitude`."""
        read, normalize = as_float(rows), self.metric == "cosine"
        largest = float(np.finfo(read.dtype).max) if normalize else LARGEST
        check_magnitude(self.name, "embeddings", read, where, largest)
        return loaded(Rows(read, normalize=True))[0] if normalize else read

    def _covered(
        self,
        points: NDArray[Any],
        weights: NDArray[np.float64],
        labeled: NDArray[Any],
        in_order: NDArray[Any],
    ) -> _Targets:
        """Return the targets with a weight above 0; `in_order` are all targets, as drawn."""
        if not (weights > 0).any():
            weights = np.ones(len(points))
        # No sum over targets may go beyond 2**62.
        bits = min(20, 62 - KERNEL_BITS - (len(points) - 1).bit_length())
        steps = np.rint(weights / weights.max() * 2.0**bits).astype(np.int64)
        points, steps = points[steps > 0], steps[steps > 0]
        width = self.width
        if width is None:
            width = smallest_distance(labeled)
        if width is None:
            width = smallest_distance(in_order[:_STAND_INS]) or smallest_distance(in_order) or 1.0
        limits = np.full(len(points), HORIZON * width * width)
        covered = np.zeros(len(points), np.int32)
        if len(labeled):
            squares = NearPoints(labeled).nearest(points)
            covered, limits = kernel(squares, width), np.minimum(squares, limits)
        return _Targets(points, steps, covered, limits, width)

    def _cover(
        self,
        pool: Pool,
        request: Request,
        near: NearPoints,
        targets: _Targets,
        chosen: NDArray[np.bool_] | None,
    ) -> Cover:
        """Return what each of the chosen rows covers; None: all rows are chosen."""
        parts = []
        for lo, hi, rows in read_chunks(pool, request.chunk_rows, wanted=chosen):
            if rows is None:
                continue
            if chosen is not None:
                rows = rows.taken(np.flatnonzero(chosen[lo:hi]))
            where = lo if chosen is None else lo + np.flatnonzero(chosen[lo:hi])
            parts.append((lo, _cover_of(near, targets, self._points(rows, where))))
        parts.sort(key=lambda part: part[0])
        covers = [cover for _, cover in parts]
        parts.clear()
        return _joined(covers)


def _candidate_count(
    near: NearPoints, targets: _Targets, pilot: NDArray[Any], count: int, b: int
) -> int:
    """Return how many rows can be candidates: all, or as many as their pairs leave room for."""
    pairs = len(_cover_of(near, targets, pilot).targets)
    if pairs * count <= _MOST_PAIRS * len(pilot):
        return count
    return max(b, _MOST_PAIRS * len(pilot) // pairs)


def _cover_of(near: NearPoints, targets: _Targets, points: NDArray[Any]) -> Cover:
    counts, gains = np.zeros(len(points), np.int64), np.zeros(len(points), np.int64)
    numbers, levels = [np.empty(0, np.uint16)], [np.empty(0, np.int32)]
    for pairs in near.pairs(points, targets.limits):
        level = kernel(pairs.squares, targets.width)
        above = level - targets.covered[pairs.points]
        adds = above > 0
        rows, indices = pairs.rows[adds], pairs.points[adds]
        counts += np.bincount(rows, minlength=len(points))
        if len(rows):
            firsts = np.flatnonzero(np.diff(rows, prepend=-1))
            gains[rows[firsts]] = np.add.reduceat(above[adds] * targets.weights[indices], firsts)
        numbers.append(indices.astype(np.uint16))
        levels.append(level[adds])
    starts = np.concatenate([[0], np.cumsum(counts)])
    return Cover(starts, np.concatenate(numbers), np.concatenate(levels), gains)


def _joined(covers: list[Cover]) -> Cover:
    """Return the cover of all candidates, in order; empty the list, to save memory."""
    counts = np.concatenate([np.diff(cover.starts) for cover in covers])
    gains = np.concatenate([cover.gains for cover in covers])
    numbers, levels = [cover.targets for cover in covers], [cover.levels for cover in covers]
    covers.clear()
    targets = np.concatenate(numbers)
    numbers.clear()
    starts = np.concatenate([[0], np.cumsum(counts)])
    return Cover(starts, targets, np.concatenate(levels), gains)
