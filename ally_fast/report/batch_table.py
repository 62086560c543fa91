"""The batch as a table: one row per pick, in priority order."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.report.batch_record import METADATA_KEY
from ally_fast.selection.info import SelectionInfo

Columns = dict[str, NDArray[Any]]


def batch_columns(indices: NDArray[np.int64], info: SelectionInfo) -> Columns:
    """Return the table's columns.

    Parameters
    ----------
    indices : ndarray of int64, shape (b,)
        The batch, pool indices.
    info : SelectionInfo
        What `select` returned beside it.

    Returns
    -------
    dict of ndarray, each of shape (b,)
        ``order`` (0-based priority), ``index`` (pool index), ``id`` (where rows have ids),
        ``score``, ``cluster``, ``rank`` (0-based place in its cluster), ``distance`` (to its
        centroid), and the columns that the pool was told to keep.

    Raises
    ------
    ValueError
        If a column to keep has the name of another.
    """
    check_keep(info.kept)
    ids = {} if info.ids is None else {"id": info.ids}
    return {
        "order": np.arange(len(indices), dtype=np.int64),
        "index": indices,
        **ids,
        "score": info.scores,
        "cluster": info.clusters,
        "rank": info.ranks,
        "distance": info.distances,
        **info.kept,
    }


def check_keep(names: Iterable[str]) -> None:
    """Raise ValueError if a column to keep has the name of a column that a batch has anyway."""
    for name in names:
        if name in _OWN_NAMES:
            raise ValueError(f"keep: {name!r} is the name of a column of the batch; rename it")


def write_batch(file: IO[bytes], extension: str, columns: Columns, summary: dict[str, Any]) -> None:
    """Write the table to an open file.

    Parameters
    ----------
    file : binary file
        Where to.
    extension : str
        One of `BATCH_EXTENSIONS`: ``.csv`` and ``.parquet`` hold the table, ``.npy`` the indices
        alone (int64), ``.json`` the indices, the other columns and the summary, ``.jsonl`` an
        object for each pick, ``.txt`` the ids, or the indices, one a line.
    columns : dict of ndarray
        From `batch_columns`.
    summary : dict
        From `summarize`.

    Notes
    -----
    Numbers in text read back as the same float64.
    """
    _WRITERS[extension](file, columns, summary)


def _write_csv(file: IO[bytes], columns: Columns, summary: dict[str, Any]) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(columns)
    lines.writerows(_rows(columns))
    text.detach()


def _write_lines(file: IO[bytes], columns: Columns, summary: dict[str, Any]) -> None:
    for row in _rows(columns):
        named = dict(zip(columns, row, strict=True))
        file.write(json.dumps(named, allow_nan=False, default=str).encode() + b"\n")


def _write_ids(file: IO[bytes], columns: Columns, summary: dict[str, Any]) -> None:
    for name in columns.get("id", columns["index"]).tolist():
        text = str(name)
        if not text or "\n" in text or "\r" in text:
            raise ValueError(f"an id cannot stand on a line of its own: {text[:40]!r}; write .csv")
        file.write(text.encode() + b"\n")


def _rows(columns: Columns) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.tolist() for column in columns.values()), strict=True)


def _write_json(file: IO[bytes], columns: Columns, summary: dict[str, Any]) -> None:
    lists = {name: column.tolist() for name, column in columns.items() if name != "order"}
    batch = {"indices": lists.pop("index"), **lists, "info": summary}
    file.write(json.dumps(batch, allow_nan=False, default=str).encode() + b"\n")


def _write_npy(file: IO[bytes], columns: Columns, summary: dict[str, Any]) -> None:
    np.save(file, columns["index"].astype(np.int64, copy=False))


def _write_parquet(file: IO[bytes], columns: Columns, summary: dict[str, Any]) -> None:
    arrow = require("pyarrow", "parquet", "a .parquet file")
    table = arrow.table({name: _arrow(column, arrow) for name, column in columns.items()})
    if record := summary.get("batch"):
        text = json.dumps(record, allow_nan=False).encode()
        table = table.replace_schema_metadata({METADATA_KEY: text})
    require("pyarrow.parquet", "parquet").write_table(table, file)


def _arrow(column: NDArray[Any], arrow: Any) -> Any:
    return arrow.array(column.tolist() if column.dtype == object else column)


_OWN_NAMES = ("order", "index", "id", "score", "cluster", "rank", "distance")
_WRITERS: dict[str, Callable[[IO[bytes], Columns, dict[str, Any]], None]] = {
    ".csv": _write_csv,
    ".npy": _write_npy,
    ".parquet": _write_parquet,
    ".json": _write_json,
    ".jsonl": _write_lines,
    ".txt": _write_ids,
}
BATCH_EXTENSIONS = tuple(_WRITERS)
