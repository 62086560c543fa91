"""What one selection hands back to the benchmark, and the clock of its stages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Outcome:
    """A batch and the clustering it came from, arrays or tensors.

    Parameters
    ----------
    indices : numpy.ndarray of int64
        Pool indices picked; a rival may pick fewer than asked.
    centroids : numpy.ndarray of shape (k, d)
        Centroids the assignments refer to.
    assignments : numpy.ndarray of shape (n,), optional
        Cluster of every row, for the inertia computed outside the timing; None where the engine
        keeps none.
    stages : dict of str to float
        Seconds by stage: "train", "assign", "batch" and whatever else an engine tells.
    isa : str, optional
        Instruction set, where the engine says.
    n_iter, train_rows : int, optional
        Iterations run and rows trained on, where the engine says.
    extra : dict, optional
        Anything more worth keeping in the row.
    """

    indices: np.ndarray
    centroids: np.ndarray
    assignments: np.ndarray | None
    stages: dict[str, float]
    isa: str | None = None
    n_iter: int | None = None
    train_rows: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)


class Stages:
    """Seconds by stage, added up over ``with stages("train"):`` blocks."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage.

        Parameters
        ----------
        name : str
            The stage.
        """
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
