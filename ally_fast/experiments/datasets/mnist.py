"""MNIST: 60,000 and 10,000 handwritten digits of 28 x 28 pixels (LeCun, Cortes)."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.experiments.datasets.dataset import Dataset
from ally_fast.experiments.datasets.paths import cache, needed

_BYTES = 0x08  # the idx format's number for uint8


def load(folder: Path | None) -> Dataset:
    """Return MNIST, rows of 784 bytes, from ``mnist/*.gz`` in `folder` or by torchvision."""
    if folder is not None:
        arrays = [
            read_idx(needed(folder, "mnist", f"{part}-{kind}-ubyte.gz"), ndim)
            for part in ("train", "t10k")
            for kind, ndim in (("images-idx3", 3), ("labels-idx1", 1))
        ]
        source = "MNIST, the published files"
    else:
        mnist = require("torchvision.datasets", "experiments", "downloading MNIST").MNIST
        both = [mnist(str(cache("mnist")), train=train, download=True) for train in (True, False)]
        arrays = [part for data in both for part in (data.data.numpy(), data.targets.numpy())]
        source = "MNIST, by torchvision"
    train, targets, test, test_targets = arrays
    return Dataset(
        "mnist",
        train.reshape(len(train), -1),
        targets.astype(np.int64),
        test.reshape(len(test), -1),
        test_targets.astype(np.int64),
        10,
        source,
    )


def read_idx(path: Path, ndim: int) -> NDArray[Any]:
    """Return the bytes of a compressed idx file.

    Raises
    ------
    ValueError
        If the file is of another kind or incomplete.
    """
    try:
        with gzip.open(path) as file:
            content = file.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: not a complete gzip file ({error})") from None
    head = 4 + 4 * ndim
    if len(content) < head or content[:4] != bytes((0, 0, _BYTES, ndim)):
        raise ValueError(f"{path}: not an idx file of bytes in {ndim} dimensions")
    shape = tuple(np.frombuffer(content, ">u4", ndim, 4).tolist())
    if len(content) != head + math.prod(shape):
        raise ValueError(
            f"{path}: incomplete: got {len(content) - head} bytes, needs {math.prod(shape)} for "
            f"the shape {shape}"
        )
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape).copy()
