"""One number or truth value per row from a Parquet file."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.pools.names import quoted
from ally_fast.pools.parquet_file import ParquetFile
from ally_fast.pools.row_count import check_rows

_BATCH_ROWS = 1 << 16


def read_parquet_column(
    path: str,
    column: str | None,
    *,
    n: int | None = None,
    most: int | None = None,
    allow_null: bool = False,
) -> NDArray[Any]:
    """Read a column of numbers or booleans.

    Parameters
    ----------
    path : str
        The file.
    column : str, optional
        May be left out if it is the only one.
    n, most : int, optional
        The number of rows needed, or the largest allowed; compared with what the file declares
        before anything is read.
    allow_null : bool
        Read a null among numbers as NaN; integers become float64 then.

    Returns
    -------
    ndarray, shape (n,)
        As stored.

    Raises
    ------
    TypeError
        If the column holds something else.
    ValueError
        If there is no such column, a null that is not allowed, or an integer beyond 2**53 beside
        one that is; if the file is damaged, or of another length.
    """
    arrow = require("pyarrow", "parquet", f"reading {path}")
    with closing(ParquetFile(path)) as file:
        column = file.choose(column, file.names)
        kind = file.kind(column)
        named = f"{path}: column {quoted(column)}"
        truth, whole = arrow.types.is_boolean(kind), arrow.types.is_integer(kind)
        if not (truth or whole or arrow.types.is_floating(kind)):
            raise TypeError(f"{named} must hold numbers; it holds {str(kind)[:80]}")
        with file.named(f"column {quoted(column)}"):
            check_rows(file.n, n, most)
        parts = []
        for group in file.groups:
            start = int(file.starts[group])
            for part in file.batches(column, group, _BATCH_ROWS):
                if part.null_count and (truth or not allow_null):
                    bad = part.is_null().to_numpy(zero_copy_only=False).argmax()
                    raise ValueError(f"{named}: row {start + bad} is null")
                parts.append(part)
                start += len(part)
    values = arrow.chunked_array(parts, kind)
    if values.null_count and whole:
        try:
            values = values.cast(arrow.float64())
        except arrow.ArrowInvalid:  # the cast refuses what it would have to round
            raise ValueError(
                f"{named} holds nulls beside integers beyond 2**53, which floats cannot hold"
            ) from None
    read: NDArray[Any] = values.to_numpy()
    return read
