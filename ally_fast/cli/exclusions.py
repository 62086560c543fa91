"""Rows never to choose: masks, indices, ids, earlier batches."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.cli.inputs import Input, reading
from ally_fast.exports.batch_record import BatchRecord, read_record
from ally_fast.exports.label_studio import labeled_ids
from ally_fast.json_object import parse_json
from ally_fast.pools import Ids, ShardedPool, open_column, read_column
from ally_fast.pools.by_id import ById
from ally_fast.pools.column_spec import ColumnSpec
from ally_fast.pools.formats import open_shard
from ally_fast.pools.mapped_file import in_memory
from ally_fast.pools.names import missing
from ally_fast.selection.eligibility import excluded_mask

_FOR_TOOLS = ("stream", "files")
_INDEX_KEYS = {".csv": "index", ".parquet": "index", ".json": "indices", ".jsonl": "index"}


@dataclass(frozen=True, eq=False)
class Exclusions:
    """The rows that the options exclude.

    Attributes
    ----------
    mask : ndarray of bool, shape (n,), or None
        Rows excluded by position.
    ids : Arrow array or None
        Ids of the rows excluded by id.
    """

    mask: NDArray[np.bool_] | None
    ids: Any


def read_exclusions(
    pool: ShardedPool, entries: Sequence[Input], by_index: Sequence[Input], id_name: str | None
) -> Exclusions:
    """Read files of exclusions.

    Parameters
    ----------
    pool : ShardedPool
    entries : sequence of Input
        Ids if the pool has ids, except for a batch whose record says that it holds indices; else
        masks, indices or batches.
    by_index : sequence of Input
        Always masks, indices or batches.
    id_name : str or None
        Name of the pool's id column; the files may use the same name.
    """
    mask = np.zeros(pool.n, np.bool_)
    ids: list[Any] = []
    for one in [*entries, *by_index]:
        with reading(one):
            record = _record(one)
            if record is not None and record.content in _FOR_TOOLS:
                raise ValueError(
                    "was written for another tool; exclude the labeled rows by their ids"
                )
            holds_ids = pool.ids is not None and one not in by_index
            if holds_ids and not (record is not None and record.content == "indices"):
                names = ["id", id_name] if record is not None else [id_name, "id"]
                ids.append(_ids(one, [name for name in names if name is not None], pool.ids))
            else:
                mask |= _rows(one, record, pool)
    if not ids:
        return Exclusions(mask if entries or by_index else None, None)
    arrow = require("pyarrow", "parquet", "excluding by ids")
    return Exclusions(mask if mask.any() else None, arrow.concat_arrays(ids))


def _record(entry: Input) -> BatchRecord | None:
    files = entry.files()
    if len(files) != 1 or files[0].filesystem is not None:
        return None
    return read_record(files[0].path)


def _rows(entry: Input, record: BatchRecord | None, pool: ShardedPool) -> NDArray[np.bool_]:
    """Read a mask, or at most `n` indices: more than that would contain repeats."""
    spec = ColumnSpec.parse(entry.text)
    if record is not None:
        if record.content in ("ids", "tasks"):
            raise ValueError("holds ids, but the pool has no ids; name its id column with --ids")
        difference = record.pool and pool.fingerprint().difference(record.pool)
        if difference:
            raise ValueError(f"holds indices of another pool: {difference}; exclude rows by ids")
    key = spec.column or _INDEX_KEYS.get(os.path.splitext(str(spec.source))[1].lower())
    read = read_column(spec.source, key, most=pool.n, storage_options=entry.storage_options)
    return excluded_mask(in_memory(read), pool.n)


def _ids(entry: Input, likely: list[str], like: Ids | None) -> Any:
    """Read ids as an Arrow array of the same type as the pool's ids.

    If no column is named, take one of the `likely` columns, or the only column.
    """
    spec = ColumnSpec.parse(entry.text)
    tasks = _tasks(entry, spec, likely)
    ids = Ids(_id_column(entry, spec, likely) if tasks is None else tasks, "exclude_ids")
    assert like is not None
    kind, values = like.values().type, ids.values()
    if values.type == kind:
        return values
    if not len(values):
        return values.cast(kind)
    if str(kind) == "int64" and ids.untyped:
        return ids.as_integers()
    kinds = ("integers", "texts") if str(values.type) == "int64" else ("texts", "integers")
    raise TypeError(f"exclude_ids: got {kinds[0]}, needs {kinds[1]}, as the pool's ids are")


def _id_column(entry: Input, spec: ColumnSpec, likely: list[str]) -> Any:
    key = spec.column
    if key is None and (names := open_shard(entry.files()[0]).names):
        candidates = names if len(names) == 1 else [name for name in likely if name in names]
        if not candidates:
            raise ValueError(missing(likely[0], names, "column"))
        key = candidates[0]
    text = spec.source if key is None else f"{spec.source}:{key}"
    assert text is not None
    column = open_column(text, storage_options=entry.storage_options)
    assert not isinstance(column, ById)
    return column


def _tasks(entry: Input, spec: ColumnSpec, likely: list[str]) -> list[Any] | None:
    """Return the ids of labeled tasks if the file is a Label Studio export (a JSON list)."""
    files = entry.files()
    if len(files) != 1 or files[0].extension != ".json":
        return None
    with files[0].open() as file:
        content = parse_json(file.read())
    if not isinstance(content, list):
        return None
    return labeled_ids(content, likely if spec.column is None else [spec.column])
