"""Columns of CSV files."""

from __future__ import annotations

import csv
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.pools.parquet_pool import missing


def csv_column(path: str, key: str | None) -> NDArray[Any]:
    """Return a column of numbers of a CSV file with a header line."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        lines = csv.reader(file)
        header = next(lines, [])
        name = header[0] if key is None and len(header) == 1 else key
        if name not in header:
            raise ValueError(f"{path}: {missing(key, header, 'column')}")
        place = header.index(name)
        try:
            texts = [line[place] for line in lines if line]
        except IndexError:
            raise ValueError(f"{path}: line {lines.line_num} has too few columns") from None
    for kind in (np.int64, np.float64):
        try:
            return np.array(texts, dtype=str).astype(kind)
        except ValueError:
            continue
    raise ValueError(f"{path}: column {name!r} must hold numbers")
