"""Random numbers by (seed, purpose, step number). No draw depends on the draws before it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from ally_fast.primal_dual._torch import torch

SPLIT, SHUFFLE, TORCH = range(3)


def permutation(n: int, seed: int, purpose: int, number: int = 0) -> NDArray[np.int64]:
    """Return 0 ... n - 1 in random order."""
    return _generator(seed, purpose, number).permutation(n)


def seed_torch(seed: int, number: int, device: torch.device) -> None:
    """Seed torch's global generators (dropout, augmentation) on the CPU and on `device`."""
    value = int(_generator(seed, TORCH, number).integers(1 << 63))
    torch.default_generator.manual_seed(value)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(value)


@contextmanager
def own_torch_state(device: torch.device) -> Iterator[None]:
    """Restore torch's global generators, on the CPU and on `device`, after the block."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield


def batches(order: NDArray[np.int64], batch_size: int | None) -> list[NDArray[np.int64]]:
    """Split into minibatches of at most `batch_size` rows; their sizes differ by at most one.

    So no rows are dropped, and no minibatch is so short that its mean weighs too much.
    """
    count = 1 if batch_size is None else max(1, -(-len(order) // batch_size))
    return np.array_split(order, count)


def _generator(seed: int, purpose: int, number: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, (purpose << 48) | number]))
