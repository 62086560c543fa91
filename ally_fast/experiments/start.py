"""Choose the first rows to label."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ally_fast.experiments.datasets import Dataset
from ally_fast.strategies import Context, TypicalStart


def random_start(dataset: Dataset, count: int, seed: int) -> NDArray[np.int64]:
    """Return random rows of the pool, ascending."""
    start = np.random.Generator(np.random.Philox(key=seed))
    return np.sort(start.choice(len(dataset.inputs), count, replace=False))


@lru_cache(maxsize=64)
def typical_start(dataset: Dataset, count: int, seed: int) -> NDArray[np.int64]:
    """Return the most typical row of each of `count` clusters, ascending."""
    n = len(dataset.inputs)
    rows = dataset.inputs.reshape(n, -1)
    picks = np.sort(TypicalStart().query(Context(embeddings=rows, seed=seed, device="cpu"), count))
    picks.setflags(write=False)  # shared by arms
    return picks
