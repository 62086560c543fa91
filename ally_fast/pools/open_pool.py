"""Pools and columns from what a caller names: an object, a file, a file and a key."""

from __future__ import annotations

import os
import re
from typing import Any

from numpy.typing import NDArray

from ally_fast.device_arrays import device_of
from ally_fast.pools.array_pool import ArrayPool
from ally_fast.pools.csv_file import csv_column
from ally_fast.pools.device_pool import DevicePool
from ally_fast.pools.host_pool import SourcePool
from ally_fast.pools.json_file import json_column
from ally_fast.pools.numpy_file import numpy_array
from ally_fast.pools.parquet_column import read_parquet_column
from ally_fast.pools.parquet_pool import ParquetPool
from ally_fast.pools.pool import Pool, RowSource
from ally_fast.pools.row_count import check_rows

_KEYED = re.compile(r"(?P<path>.+\.(?:npz|parquet|csv|json)):(?P<key>.+)", re.IGNORECASE)


def as_pool(embeddings: Any, name: str = "embeddings") -> Pool:
    """Return `embeddings` itself if it is a pool, else one over it, where it is."""
    if isinstance(embeddings, Pool):
        return embeddings
    if isinstance(embeddings, RowSource):
        return SourcePool(embeddings)
    over = ArrayPool if device_of(embeddings) == "cpu" else DevicePool
    return over(embeddings, name)


def split_source(source: str | os.PathLike[str]) -> tuple[str, str | None, str]:
    """Split ``file:key`` into the path, the key and the path's extension in lower case.

    Parameters
    ----------
    source : str or path-like
        A file, or one of .npz, .parquet, .csv and .json followed by a colon and a key.

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


def open_pool(source: str | os.PathLike[str], *, n: int | None = None) -> Pool:
    """Open a file as a pool of embeddings.

    Parameters
    ----------
    source : str or path-like
        ``pool.npy`` (memory-mapped), ``pool.npz:key``, ``pool.parquet:column`` (streamed). The
        key can be left out where there is one candidate only.
    n : int, optional
        The number of rows needed: compared with what the file declares, before rows are read.

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
        pool = ParquetPool(path, key)
        try:
            check_rows(pool.n, n)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        return pool
    if extension in (".npy", ".npz"):
        return ArrayPool(numpy_array(path, key, ndim=2, n=n), path)
    raise ValueError(f"{path}: embeddings are read from .npy, .npz:key or .parquet:column")


def read_column(
    source: str | os.PathLike[str],
    key: str | None = None,
    *,
    n: int | None = None,
    most: int | None = None,
    allow_null: bool = False,
) -> NDArray[Any]:
    """Read one number or truth value per row from a file.

    Parameters
    ----------
    source : str or path-like
        ``scores.npy`` (memory-mapped), ``scores.npz:key``, ``scores.parquet:column``,
        ``scores.csv:column`` (line 1 names the columns) or ``batch.json:name`` (a list).
    key : str, optional
        The key of a file given without one.
    n, most : int, optional
        The number of rows needed, or the largest number allowed: compared with what the file
        declares, before rows are read; of CSV no more rows are read.
    allow_null : bool
        Read a null of Parquet, or an empty field of CSV, as NaN.

    Returns
    -------
    ndarray, shape (n,)
        Booleans, integers or floats, as stored; numbers from CSV are int64 if all of them are.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file cannot be read so: the message names the file and says why, with the first bad
        row, or line of CSV.
    """
    path, given, extension = split_source(source)
    key = given or key
    if extension in (".npy", ".npz"):
        return numpy_array(path, key, ndim=1, n=n, most=most)
    if extension == ".parquet":
        return read_parquet_column(path, key, n=n, most=most, allow_null=allow_null)
    if extension == ".csv":
        return csv_column(path, key, n=n, most=most, allow_null=allow_null)
    if extension == ".json":
        return json_column(path, key, n=n, most=most)
    raise ValueError(
        f"{path}: columns are read from .npy, .npz:key, .parquet:column, .csv:column or .json:name"
    )
