"""What training takes and returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TrainingOptions:
    """How to train on a pool.

    Attributes
    ----------
    k, size : int
        Number of clusters, and of rows to train on.
    max_iter, tol, seed, normalize
        As in `FitOptions`; the seed is that of the draw, too.
    """

    k: int
    size: int
    max_iter: int
    tol: float
    seed: int
    normalize: bool


@dataclass(frozen=True)
class FitOptions:
    """How to train.

    Attributes
    ----------
    max_iter, tol : int, float
        Stop once inertia falls by less than `tol` of itself, at the latest after `max_iter`
        iterations over all rows.
    seed : int
        For the start.
    normalize : bool
        Scale centroids to unit length (cosine); the rows have it already.
    advance : callable
        Called with the number of iterations done since its last call.
    """

    max_iter: int
    tol: float
    seed: int
    normalize: bool
    advance: Callable[[int], None]


@dataclass(frozen=True, eq=False)
class Fit:
    """Centroids, shape (k, d); inertia of the training rows; iterations over all of them."""

    centroids: Any
    inertia: float
    n_iter: int
