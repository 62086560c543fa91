"""What training takes and returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.clusters import FeatureGrid

MAX_ITER, TOL = 25, 3e-3  # unless told otherwise


@dataclass(frozen=True, eq=False)
class TrainingOptions:
    """How to train on a pool.

    Attributes
    ----------
    k, size : int
        Number of clusters; number of rows to train on.
    max_iter, tol, seed, normalize
        As in `FitOptions`; the seed also decides the draw of the rows.
    start : ndarray, shape (k, d), optional
        Centroids to start from, checked: float64 if they are wide, else float32.
    """

    k: int
    size: int
    max_iter: int
    tol: float
    seed: int
    normalize: bool
    start: NDArray[Any] | None = None


@dataclass(frozen=True, eq=False)
class FitOptions:
    """How to train on rows.

    Attributes
    ----------
    max_iter, tol : int, float
        Stop once an iteration over all rows lowers inertia by less than the fraction `tol`, or
        after `max_iter` iterations.
    seed : int
        For engines that draw at random; the native one takes rows in the order in which they come.
    normalize : bool
        Scale centroids to unit length (cosine); the rows have unit length already.
    advance : callable
        Called with the number of passes done since its last call.
    start : ndarray of float32, shape (k, d), optional
        Centroids to start from, in the coordinates of the rows.
    """

    max_iter: int
    tol: float
    seed: int
    normalize: bool
    advance: Callable[[int], None]
    start: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class Fit:
    """The result of training.

    Attributes
    ----------
    centroids : ndarray, shape (k, d)
    inertia : float
        Sum of the squared distances of the training rows to the centroids of their clusters.
    n_iter : int
        Iterations over all training rows.
    grid : FeatureGrid, optional
        The grid on which rows were summed, if there was one.
    """

    centroids: Any
    inertia: float
    n_iter: int
    grid: FeatureGrid | None = None
