"""Pools and columns from what a caller names: an object, a file, a file and a key."""

from __future__ import annotations

import csv
import mmap
import os
import re
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.device_arrays import device_of
from ally_fast.pools.array_pool import ArrayPool
from ally_fast.pools.device_pool import DevicePool
from ally_fast.pools.parquet_pool import ParquetPool, missing, open_parquet
from ally_fast.pools.pool import Pool

_KEYED = re.compile(r"(?P<path>.+\.(?:npz|parquet|csv)):(?P<key>.+)", re.IGNORECASE)


def as_pool(embeddings: Any, name: str = "embeddings") -> Pool:
    """Return `embeddings` itself if it is a pool, else one over it, where it is."""
    if isinstance(embeddings, Pool):
        return embeddings
    over = ArrayPool if device_of(embeddings) == "cpu" else DevicePool
    return over(embeddings, name)


def split_source(source: str | os.PathLike[str]) -> tuple[str, str | None, str]:
    """Split ``file:key`` into the path, the key and the path's extension in lower case.

    Parameters
    ----------
    source : str or path-like
        A file, or one of .npz, .parquet and .csv followed by a colon and a key.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    """
    path, key = os.fspath(source), None
    if not os.path.exists(path) and (match := _KEYED.fullmatch(path)):
        path, key = match["path"], match["key"]
    if os.path.isdir(path):
        raise IsADirectoryError(21, "is a folder, need a file", path)
    if not os.path.exists(path):
        raise FileNotFoundError(2, "no such file", path)
    return path, key, os.path.splitext(path)[1].lower()


def open_pool(source: str | os.PathLike[str]) -> Pool:
    """Open a file as a pool of embeddings.

    Parameters
    ----------
    source : str or path-like
        ``pool.npy`` (memory-mapped), ``pool.npz:key``, ``pool.parquet:column`` (streamed). The
        key can be left out where there is one candidate only.

    Returns
    -------
    Pool
        An `ArrayPool` or a `ParquetPool`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the extension is another, or the file lacks the key: the message lists its keys.
    """
    path, key, extension = split_source(source)
    if extension == ".parquet":
        return ParquetPool(path, key)
    if extension in (".npy", ".npz"):
        return ArrayPool(_load_numpy(path, key), os.fspath(source))
    raise ValueError(f"{path}: embeddings are read from .npy, .npz:key or .parquet:column")


def read_column(source: str | os.PathLike[str], key: str | None = None) -> NDArray[Any]:
    """Read one number or truth value per row from a file.

    Parameters
    ----------
    source : str or path-like
        ``scores.npy`` (memory-mapped), ``scores.npz:key``, ``scores.parquet:column`` or
        ``scores.csv:column`` (a CSV file with a header line).
    key : str, optional
        The key of a file given without one.

    Returns
    -------
    ndarray, shape (n,)
        Booleans, integers or floats, as stored; numbers from CSV are int64 if all of them are.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file cannot be read so: the message says why, with the first bad row.
    """
    path, given, extension = split_source(source)
    key = given or key
    if extension in (".npy", ".npz"):
        array = _load_numpy(path, key)
        if array.ndim != 1:
            raise ValueError(f"{source}: need one value per row, got shape {array.shape}")
        return array
    if extension == ".parquet":
        return _parquet_column(path, key)
    if extension == ".csv":
        return _csv_column(path, key)
    raise ValueError(
        f"{path}: columns are read from .npy, .npz:key, .parquet:column or .csv:column"
    )


def _load_numpy(path: str, key: str | None) -> NDArray[Any]:
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


def _column_name(path: str, key: str | None, names: Sequence[str]) -> str:
    if key is None and len(names) == 1:
        return names[0]
    if key in names:
        return str(key)
    raise ValueError(f"{path}: {missing(key, names, 'column')}")


def _parquet_column(path: str, key: str | None) -> NDArray[Any]:
    arrow = require("pyarrow", "parquet", f"reading {path}")
    file = open_parquet(path)
    key = _column_name(path, key, file.schema_arrow.names)
    kind = file.schema_arrow.field(key).type
    types = arrow.types
    if not (types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind)):
        raise TypeError(f"{path}: column {key!r} must hold numbers; it holds {kind}")
    values = file.read(columns=[key]).column(0)
    if values.null_count:
        bad = values.is_null().to_numpy().argmax()
        raise ValueError(f"{path}: column {key!r}: row {bad} is null")
    column: NDArray[Any] = values.to_numpy()
    return column


def _csv_column(path: str, key: str | None) -> NDArray[Any]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        lines = csv.reader(file)
        header = next(lines, [])
        place = header.index(_column_name(path, key, header))
        try:
            texts = [line[place] for line in lines if line]
        except IndexError:
            raise ValueError(f"{path}: line {lines.line_num} has too few columns") from None
    for kind in (np.int64, np.float64):
        try:
            return np.array(texts, dtype=str).astype(kind)
        except ValueError:
            continue
    raise ValueError(f"{path}: column {header[place]!r} must hold numbers")
