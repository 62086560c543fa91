"""Arrays in ``.npy`` and ``.npz`` files."""

from __future__ import annotations

import mmap
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.pools.parquet_pool import missing


def load_numpy(path: str, key: str | None) -> NDArray[Any]:
    """Load an array without ever unpickling; .npy files are memory-mapped."""
    try:
        if path.lower().endswith(".npy"):
            array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
            _read_ahead(array)
            return array
        # Opened here: np.load leaves a damaged file open.
        with open(path, "rb") as file:
            archive = np.load(file, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise ValueError("it holds one array, as a .npy file does")
            keys = archive.files
            if key in keys or (key is None and len(keys) == 1):
                array = archive[key or keys[0]]
                return array
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = str(error)
        if "pickle" in reason or "Python objects" in reason:
            reason = "it is in another format, or holds Python objects"
        raise ValueError(f"{path}: not a NumPy file of numbers: {reason}") from error
    raise ValueError(f"{path}: {missing(key, keys, 'key')}")


def _read_ahead(mapped: NDArray[Any]) -> None:
    """Tell the system that a file is read in order: a cold one then comes in large pieces."""
    base: object = mapped.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_SEQUENTIAL"):
        base.madvise(mmap.MADV_SEQUENTIAL)
