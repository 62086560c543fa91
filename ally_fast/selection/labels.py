"""One name for each row, as codes: there are few different names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.device_arrays import host_copy

_MISSING = ("NAType", "NaTType")  # of pandas


@dataclass(frozen=True, eq=False)
class Labels:
    """The different names, and the position of each row's name among them; -1 for none."""

    names: list[Any]
    codes: NDArray[np.int64]

    def taken(self, positions: NDArray[np.int64]) -> Labels:
        """Return the labels of the rows at these positions; none at -1."""
        return Labels(self.names, np.append(self.codes, -1)[positions])


def labels_of(values: Any) -> Labels:
    """Return the labels in an array of integers, texts or booleans.

    Raises
    ------
    ValueError, TypeError
        If it has more than one dimension, or holds lists.
    """
    array = np.asarray(host_copy(values))
    if array.ndim != 1:
        raise ValueError(f"groups: got shape {array.shape}, needs one group for each row")
    if array.dtype.kind == "O":
        return _labels_of_objects(array)
    missing = np.zeros(len(array), np.bool_)
    if array.dtype.kind == "f":
        missing = np.isnan(array)
    elif array.dtype.kind in "mM":
        missing = np.isnat(array)
    codes = np.full(len(array), -1, np.int64)
    names, codes[~missing] = np.unique(array[~missing], return_inverse=True)
    return Labels(names.tolist(), codes)


def labels_of_parts(parts: Iterable[Any]) -> Labels:
    """Return the labels in Arrow arrays, one after the other."""
    arrow = require("pyarrow", "parquet", "groups")
    names: dict[Any, int] = {}
    codes = [np.empty(0, np.int64)]
    for part in parts:
        if arrow.types.is_nested(part.type):
            raise TypeError(f"groups: got {str(part.type)[:60]}, needs integers or texts")
        encoded = part if arrow.types.is_dictionary(part.type) else part.dictionary_encode()
        new_codes = [names.setdefault(name, len(names)) for name in encoded.dictionary.to_pylist()]
        inside = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        codes.append(np.append(np.array(new_codes, np.int64), -1)[inside])
    return Labels(list(names), np.concatenate(codes))


def _labels_of_objects(array: NDArray[Any]) -> Labels:
    names: dict[Any, int] = {}
    codes = np.full(len(array), -1, np.int64)
    for row, value in enumerate(array.tolist()):
        if value is None or type(value).__name__ in _MISSING or value != value:
            continue
        try:
            codes[row] = names.setdefault(value, len(names))
        except TypeError:
            kind = type(value).__name__
            raise TypeError(f"groups: got a {kind} in row {row}, needs integers or texts") from None
    return Labels(list(names), codes)
