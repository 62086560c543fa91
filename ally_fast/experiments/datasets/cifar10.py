"""CIFAR-10: 50,000 and 10,000 photographs of 32 x 32 pixels (Krizhevsky 2009)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.experiments.datasets.dataset import Dataset
from ally_fast.experiments.datasets.paths import cache, needed
from ally_fast.pools.numpy_file import numpy_array


def load(folder: Path | None) -> Dataset:
    """Return CIFAR-10, (n, 3, 32, 32), from ``cifar10/*.npz`` in `folder` or by torchvision.

    The files in a folder hold the first 25,000 training images, coded as differences.
    """
    if folder is not None:
        train, targets = _read(needed(folder, "cifar10", "cifar10_train_a.npz"), "train")
        test, test_targets = _read(needed(folder, "cifar10", "cifar10_test.npz"), "test")
        source = f"CIFAR-10, the first {len(train)} training images"
    else:
        cifar = require("torchvision.datasets", "experiments", "downloading CIFAR-10").CIFAR10
        both = [cifar(str(cache("cifar10")), train=train, download=True) for train in (True, False)]
        train, test = (np.ascontiguousarray(np.moveaxis(data.data, 3, 1)) for data in both)
        targets, test_targets = (np.asarray(data.targets) for data in both)
        source = "CIFAR-10, by torchvision"
    return Dataset(
        "cifar10", train, targets.astype(np.int64), test, test_targets.astype(np.int64), 10, source
    )


def _read(path: Path, part: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the images and classes of a file."""
    coded, targets = (numpy_array(str(path), f"{part}_{name}") for name in ("delta", "y"))
    rows = (*coded.shape[:1], *coded.shape[2:])
    if coded.dtype != np.uint8 or rows != (3, 32, 32):
        raise ValueError(
            f"{path}: {part}_delta: got {coded.dtype} of shape {coded.shape}, needs uint8, "
            "(3, n, 32, 32)"
        )
    return undo_differences(coded), targets


def undo_differences(coded: NDArray[np.uint8]) -> NDArray[Any]:
    """Return images (n, 3, height, width) from differences (3, n, height, width), modulo 256.

    Each byte was coded as its difference from the byte to the left, then from the byte above; red
    and blue as their difference from green.
    """
    planes = np.cumsum(np.cumsum(coded, axis=2, dtype=np.uint8), axis=3, dtype=np.uint8)
    planes[0] += planes[1]
    planes[2] += planes[1]
    return np.ascontiguousarray(np.moveaxis(planes, 0, 1))
