"""Open pools and columns from what a caller names: an object, files, a URL, files and a key."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from ally_fast import checks
from ally_fast.arrow_arrays import vectors_of
from ally_fast.device_arrays import device_of
from ally_fast.pools.array_pool import ArrayPool
from ally_fast.pools.arrow_pool import ArrowPool
from ally_fast.pools.arrow_rows import ArrowRows
from ally_fast.pools.by_id import ById
from ally_fast.pools.column import Column
from ally_fast.pools.column_spec import ColumnSpec
from ally_fast.pools.device_pool import DevicePool
from ally_fast.pools.formats import FORMATS, open_shard
from ally_fast.pools.frame import is_matrix, is_table
from ally_fast.pools.host_pool import SourcePool
from ally_fast.pools.ids import Ids
from ally_fast.pools.laion import laion_shards
from ally_fast.pools.pool import Pool, RowSource
from ally_fast.pools.sharded_column import ShardedColumn
from ally_fast.pools.sharded_pool import ShardedPool
from ally_fast.pools.sources import locations, split_key
from ally_fast.pools.table_shard import TableShard
from ally_fast.vector_column import VectorColumn

BAD_ROWS = ("error", "skip")
Path = str | os.PathLike[str]


def as_pool(embeddings: Any, name: str = "embeddings") -> Pool:
    """Return `embeddings` itself if it is a pool; otherwise a pool over it, without moving it.

    Parameters
    ----------
    embeddings : Pool, RowSource, path, table or array
        All that `select` takes.
    name : str
        The argument's name, for messages.

    Returns
    -------
    Pool
    """
    if isinstance(embeddings, Pool):
        return embeddings
    if isinstance(embeddings, RowSource):
        return SourcePool(embeddings)
    if _is_path(embeddings):
        return open_pool(embeddings)
    if is_table(embeddings):
        if not is_matrix(embeddings):
            return ShardedPool([TableShard(embeddings)])
    elif (vectors := vectors_of(embeddings, name)) is not None:
        return ArrowPool(ArrowRows(vectors.chunks, vectors.type), VectorColumn(vectors.type, name))
    over = ArrayPool if device_of(embeddings) == "cpu" else DevicePool
    return over(embeddings, name)


def open_pool(
    source: Any,
    *,
    column: str | None = None,
    ids: Any = None,
    scores: Any = None,
    keep: Sequence[str] = (),
    storage_options: Mapping[str, Any] | None = None,
    on_bad_row: str = "error",
) -> Pool:
    """Open files or a table as a pool of embeddings, together with the columns of its rows.

    Parameters
    ----------
    source : path, URL, sequence of them, table or array
        Files: ``pool.npy``, ``pool.parquet:column``, a folder of shards, a glob pattern
        (``"p/*.npy"``), a hive-partitioned folder, ``"s3://bucket/folder"``. Tables: a pyarrow
        ``Table``, a pandas or polars frame, a Hugging Face ``Dataset``. Arrays: any that `select`
        takes. A list of files keeps its order; the files of a folder or a pattern come in natural
        sort order of their paths. Formats: ``.npy``, ``.npz``, Parquet, Arrow IPC (Feather),
        safetensors, HDF5, Zarr, Lance. If a folder has ``img_emb`` or ``text_emb`` beside
        ``metadata`` (LAION's layout), vectors come from the first and all other columns from
        ``metadata``.
    column : str, optional
        The column of vectors, or the key, or ``"img_emb"``. You can leave it out if only one holds
        vectors. In Parquet, Arrow and tables it can also be ``a.b``, a field of a struct;
        ``emb[float16]``, bytes of such numbers; or ``emb_*``, all columns of numbers with such a
        name, one per dimension, in natural order.
    ids : str or array, optional
        One id per row: the name of a column of the pool, a column spec of other files
        (``"meta/*.parquet:id"``), or an array of integers or texts.
    scores : str, array or ById, optional
        The dual scores that ``select(pool, None, b, k)`` uses, given in the same ways as ``ids``.
        ``"duals.parquet:score@id"`` matches them by id.
    keep : sequence of str
        Columns whose values `SelectionInfo.kept` gives for the picks.
    storage_options : mapping, optional
        Options for the file system of a URL, as fsspec takes them.
    on_bad_row : "error" or "skip"
        What to do with rows that are null, hold NaN, infinity or a null, or have another length
        than the others. "error" names the first one; "skip" leaves them out and counts them.

    Returns
    -------
    Pool

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If a format's package is missing. The message names the extra that installs it.
    ValueError, TypeError
        If a file is damaged or has an unknown format, if shards differ in width or dtype, or if
        columns differ in length. The message names the file.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> for shard in range(2):
    ...     np.save(f"{folder}/part-{shard}.npy", np.eye(3, dtype=np.float32))
    >>> pool = open_pool(folder)
    >>> pool.n, pool.d
    (6, 3)
    """
    checks.choice(on_bad_row, "on_bad_row", BAD_ROWS)
    pool: Any = _pool(source, column, storage_options)
    if ids is not None:
        pool.ids = Ids(_named_column(pool, ids, "ids", storage_options))
    if scores is not None:
        pool.scores = _named_column(pool, scores, "scores", storage_options)
    pool.keep = {name: _named_column(pool, f":{name}", "keep", storage_options) for name in keep}
    pool.on_bad_row = on_bad_row
    opened: Pool = pool
    return opened


def read_column(
    source: Any,
    key: str | None = None,
    *,
    n: int | None = None,
    most: int | None = None,
    allow_null: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> NDArray[Any]:
    """Read one number or truth value per row from files.

    Parameters
    ----------
    source : path, URL, or sequence of them
        ``scores.npy`` (memory-mapped), ``scores.npz:key``, ``scores.parquet:column``,
        ``scores.csv:column`` (line 1 names the columns), ``batch.json:name`` (a list),
        ``rows.jsonl:name``, ``indices.txt``; also folders and patterns, as `open_pool` takes them.
    key : str, optional
        The column or key, if `source` does not name it.
    n, most : int, optional
        The number of rows needed, or the largest number allowed. They are compared with what the
        file declares before rows are read. A text file declares nothing: reading stops at the
        first row too many.
    allow_null : bool
        Read a null, or an empty field of CSV, as NaN.
    storage_options : mapping, optional
        Options for the file system of a URL, as fsspec takes them.

    Returns
    -------
    ndarray, shape (n,)
        Booleans, integers or floats, as stored. Numbers from text are int64 if all of them fit,
        otherwise float64.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError, TypeError
        If the file does not hold such a column. The message names the file and the first bad row
        or line, and says why.
    """
    if _is_path(source):
        source, own_key = split_key(os.fspath(source))
        key = own_key or key
    return _column_of(source, key, storage_options).numbers(n=n, most=most, allow_null=allow_null)


def open_column(
    source: str | Path, *, storage_options: Mapping[str, Any] | None = None
) -> Column | ById:
    """Open the column that a column spec names.

    Parameters
    ----------
    source : str or path-like
        ``FILES[:COLUMN[@IDCOLUMN]]``.
    storage_options : mapping, optional
        Options for the file system of a URL, as fsspec takes them.

    Returns
    -------
    Column or ById
        `ById` if the spec names an id column.
    """
    spec = ColumnSpec.parse(source)
    if spec.source is None:
        raise ValueError(f"{source}: names no file; needs FILE:COLUMN")
    values = _column_of(spec.source, spec.column, storage_options)
    if spec.ids is None:
        return values
    return ById(_column_of(spec.source, spec.ids, storage_options), values)


def _pool(source: Any, column: str | None, options: Mapping[str, Any] | None) -> Pool:
    if _is_path(source) or _is_list_of_paths(source):
        key = None
        if _is_path(source):
            source, key = split_key(os.fspath(source))
        else:
            source, key = _without_keys(source)
        if key is not None and column is not None:
            raise ValueError(f"column: got {column!r} and also {source}:{key}; pass one of them")
        column = column or key
        if _is_path(source) and (paired := laion_shards(source, column, options)):
            return ShardedPool(paired)
        files = locations(source, storage_options=options)
        return ShardedPool([open_shard(file) for file in files], column)
    if is_table(source):
        return ShardedPool([TableShard(source)], column)
    if column is not None:
        raise ValueError(f"column: got {column!r}, but an array has no columns")
    return as_pool(source)


def _without_keys(sources: Sequence[Path]) -> tuple[list[str], str | None]:
    """Return the files of a list without their key, and that key: the same for all."""
    pairs = [split_key(os.fspath(source)) for source in sources]
    keys = {key for _, key in pairs}
    if len(keys) > 1:
        shown = " and ".join(sorted(str(key) for key in keys))
        raise ValueError(
            f"{pairs[0][0]}: files of a list have different keys: {shown}; needs one key"
        )
    return [path for path, _ in pairs], keys.pop()


def _named_column(pool: Any, value: Any, name: str, options: Mapping[str, Any] | None) -> Any:
    """Return the column that a text names, in the pool or in other files; an array as it is."""
    if not _is_path(value):
        return value
    text = os.fspath(value)
    is_own_column = text.startswith(":") or (split_key(text)[1] is None and not _names_files(text))
    if not is_own_column:
        return open_column(text, storage_options=options)
    if not isinstance(pool, ShardedPool):
        raise ValueError(f"{name}: got {text!r}, but an array has no columns; needs an array")
    return pool.column(ColumnSpec.parse(f":{text.removeprefix(':')}").column)


def _column_of(source: Any, key: str | None, options: Mapping[str, Any] | None) -> Column:
    files = locations(source, storage_options=options, columns=True)
    return ShardedColumn([open_shard(file).column(key) for file in files])


def _names_files(text: str) -> bool:
    return os.path.splitext(text)[1].lower() in FORMATS or os.path.exists(os.path.expanduser(text))


def _is_path(source: Any) -> bool:
    return isinstance(source, str | os.PathLike)


def _is_list_of_paths(source: Any) -> bool:
    return isinstance(source, list | tuple) and bool(source) and all(map(_is_path, source))
