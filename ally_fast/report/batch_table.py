"""The batch as a table: one row per pick, in priority order."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
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
        ``order`` (0-based priority), ``index`` (pool index), ``score``, ``cluster``, ``rank``
        (0-based place in its cluster), ``distance`` (to its centroid).
    """
    return {
        "order": np.arange(len(indices), dtype=np.int64),
        "index": indices,
        "score": info.scores,
        "cluster": info.clusters,
        "rank": info.ranks,
        "distance": info.distances,
    }


def write_batch(file: IO[bytes], extension: str, columns: Columns, summary: dict[str, Any]) -> None:
    """Write the table to an open file.

    Parameters
    ----------
    file : binary file
        Where to.
    extension : str
        One of `BATCH_EXTENSIONS`: ``.csv`` and ``.parquet`` hold the table, ``.npy`` the indices
        alone (int64), ``.json`` the indices, the other columns and the summary.
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
    lines.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))
    text.detach()


def _write_json(file: IO[bytes], columns: Columns, summary: dict[str, Any]) -> None:
    lists = {name: column.tolist() for name, column in columns.items() if name != "order"}
    batch = {"indices": lists.pop("index"), **lists, "info": summary}
    file.write(json.dumps(batch, allow_nan=False).encode() + b"\n")


def _write_npy(file: IO[bytes], columns: Columns, summary: dict[str, Any]) -> None:
    np.save(file, columns["index"].astype(np.int64, copy=False))


def _write_parquet(file: IO[bytes], columns: Columns, summary: dict[str, Any]) -> None:
    arrow = require("pyarrow", "parquet", "a .parquet file")
    require("pyarrow.parquet", "parquet").write_table(arrow.table(columns), file)


_WRITERS: dict[str, Callable[[IO[bytes], Columns, dict[str, Any]], None]] = {
    ".csv": _write_csv,
    ".npy": _write_npy,
    ".parquet": _write_parquet,
    ".json": _write_json,
}
BATCH_EXTENSIONS = tuple(_WRITERS)
