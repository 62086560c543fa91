"""SVHN: 73,257 and 26,032 house numbers of 32 x 32 pixels (Netzer et al. 2011)."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.experiments.datasets.dataset import Dataset
from ally_fast.experiments.datasets.paths import cache, needed


def load(folder: Path | None) -> Dataset:
    """Return SVHN, (n, 3, 32, 32), from ``svhn/*.mat`` in `folder` or by torchvision."""
    if folder is not None:
        train, targets = read_mat(needed(folder, "svhn", "train_32x32.mat"))
        test, test_targets = read_mat(needed(folder, "svhn", "test_32x32.mat"))
        source = "SVHN, the published files"
    else:
        svhn = require("torchvision.datasets", "experiments", "downloading SVHN").SVHN
        both = [svhn(str(cache("svhn")), split=part, download=True) for part in ("train", "test")]
        train, test = (np.ascontiguousarray(data.data) for data in both)
        targets, test_targets = (data.labels for data in both)
        source = "SVHN, by torchvision"
    return Dataset(
        "svhn", train, targets.astype(np.int64), test, test_targets.astype(np.int64), 10, source
    )


def read_mat(path: Path) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the images (n, 3, 32, 32) and digits of a file in the published format.

    Raises
    ------
    ValueError
        If the file holds something else.
    """
    matlab = require("scipy.io.matlab", "experiments", "reading SVHN")
    # What scipy raises for a file that is damaged or another kind.
    broken = (LookupError, TypeError, ValueError, NotImplementedError, OSError, EOFError)
    with path.open("rb") as file:
        try:
            content = matlab.loadmat(file)
            images, digits = content["X"], content["y"].ravel()
        except (*broken, zlib.error, matlab.MatReadError) as error:
            raise ValueError(f"{path}: not a .mat file with X and y ({error})") from None
    if images.ndim != 4 or images.shape[:3] != (32, 32, 3) or images.dtype != np.uint8:
        raise ValueError(
            f"{path}: X: got {images.dtype} of shape {images.shape}, needs uint8, (32, 32, 3, n)"
        )
    wrong = digits[~np.isin(digits, np.arange(1, 11))]
    if len(wrong):
        raise ValueError(f"{path}: y: got {wrong[0]}, needs integers from 1 to 10")
    # The files call the digit 0 class 10.
    return np.ascontiguousarray(images.transpose(3, 2, 0, 1)), digits.astype(np.int64) % 10
