"""NumPy: an array of the indices."""

from __future__ import annotations

from typing import IO, Any

import numpy as np

from ally_fast.exports.format import Format
from ally_fast.exports.table import BatchTable, Wanted


def _write(file: IO[bytes], table: BatchTable, wanted: Wanted, summary: dict[str, Any]) -> None:
    np.save(file, table.own["index"].astype(np.int64, copy=False))


NPY = Format("npy", (".npy",), _write, content="indices")
