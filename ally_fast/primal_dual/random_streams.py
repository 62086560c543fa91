"""Random numbers by (seed, purpose, epoch): an epoch needs nothing of those before it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.primal_dual._torch import torch

SPLIT, SHUFFLE, TORCH = range(3)


def permutation(n: int, seed: int, purpose: int, epoch: int = 0) -> NDArray[np.int64]:
    """Return 0 ... n - 1 in random order."""
    return _generator(seed, purpose, epoch).permutation(n)


def seed_torch(seed: int, epoch: int) -> None:
    """Seed torch's global generators (dropout, augmentation) for an epoch."""
    torch.manual_seed(int(_generator(seed, TORCH, epoch).integers(1 << 63)))


@contextmanager
def own_torch_state(device: Any) -> Iterator[None]:
    """Leave the global generators of torch, on the CPU and on `device`, as they were found."""
    on_cuda = torch.device(device).type == "cuda"
    with torch.random.fork_rng([torch.device(device)] if on_cuda else []):
        yield


def batches(order: NDArray[np.int64], batch_size: int | None) -> list[NDArray[np.int64]]:
    """Split into minibatches of at most `batch_size` rows whose sizes differ by one at most.

    So no tail is dropped, and none is so short that its mean weighs too much.
    """
    count = 1 if batch_size is None else max(1, -(-len(order) // batch_size))
    return np.array_split(order, count)


def _generator(seed: int, purpose: int, epoch: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, (purpose << 48) | epoch]))
