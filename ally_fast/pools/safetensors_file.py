"""Tensors in ``.safetensors`` files; the header is checked before it is used."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.arrays import BFLOAT16
from ally_fast.json_object import parse_object
from ally_fast.pools.foreign_errors import foreign_errors
from ally_fast.pools.location import Location
from ally_fast.pools.mapped_file import mapped
from ally_fast.pools.names import chosen, quoted
from ally_fast.pools.row_count import check_rows

_LONGEST_HEADER = 100_000_000  # the limit of the format
_NOT_ONE = "not a safetensors file"
_DTYPES: Mapping[str, np.dtype[Any]] = {
    "BF16": BFLOAT16,
    "BOOL": np.dtype("?"),
    **{f"F{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
    **{f"I{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"U{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
}


@dataclass(frozen=True)
class _Tensor:
    dtype_name: str
    shape: tuple[int, ...]
    start: int  # in the file
    end: int


def safetensors_array(
    location: Location, key: str | None, *, ndim: int, n: int | None = None, most: int | None = None
) -> NDArray[Any]:
    """Return a memory-mapped tensor.

    Parameters
    ----------
    location : Location
        The file, on a disk.
    key : str or None
        The tensor's name; None: the only tensor with `ndim` dimensions.
    ndim : int
        The number of dimensions needed.
    n, most : int, optional
        The number of rows needed, or the largest number allowed.

    Returns
    -------
    ndarray
        bfloat16 comes as `arrays.BFLOAT16`, which `as_array` knows.

    Raises
    ------
    ValueError
        If the file is damaged, is longer or shorter than it declares, or has no such tensor, or if
        the tensor has another kind. The message names the file.
    """
    path = location.name
    with open(location.path, "rb") as file:
        tensors = _tensors(file, path)
        key = chosen(path, key, {name: one.shape for name, one in tensors.items()}, ndim)
        tensor, where = tensors[key], f"{path}: key {quoted(key)}"
        dtype = _DTYPES.get(tensor.dtype_name)
        if dtype is None:
            raise ValueError(f"{where}: holds {quoted(tensor.dtype_name)}, needs real numbers")
        if len(tensor.shape) != ndim:
            needed = "one value per row" if ndim == 1 else "one row of values per example"
            raise ValueError(f"{where}: need {needed}, got shape {tensor.shape}")
        try:
            check_rows(tensor.shape[0], n, most)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        return mapped(file, dtype, tensor.start, tensor.shape)


def safetensors_keys(location: Location) -> list[str]:
    """Return the names of the tensors in a file; raises the errors of `safetensors_array`."""
    with open(location.path, "rb") as file:
        return list(_tensors(file, location.name))


def _tensors(file: IO[bytes], path: str) -> dict[str, _Tensor]:
    size = os.fstat(file.fileno()).st_size
    with foreign_errors(path, _NOT_ONE):
        start = file.read(8)
        (length,) = struct.unpack("<Q", start) if len(start) == 8 else (size,)
        if length > min(_LONGEST_HEADER, size - 8):
            raise ValueError("it does not begin with the length of a header")
        header = parse_object(file.read(length))
        header.pop("__metadata__", None)
        tensors = {name: _tensor(entry, 8 + length) for name, entry in header.items()}
        place = 8 + length
        for name, tensor in tensors.items():
            _check_bytes(name, tensor)
        for tensor in sorted(tensors.values(), key=lambda tensor: (tensor.start, tensor.end)):
            if tensor.start != place:
                raise ValueError("its tensors overlap, or have gaps between them")
            place = tensor.end
        if place != size:
            raise ValueError(f"it declares {place} bytes and holds {size}")
    return tensors


def _check_bytes(name: str, tensor: _Tensor) -> None:
    dtype, size = _DTYPES.get(tensor.dtype_name), tensor.end - tensor.start
    if dtype is not None and size != math.prod(tensor.shape) * dtype.itemsize:
        raise ValueError(
            f"key {quoted(name)}: declares {size} bytes for {tensor.dtype_name} of "
            f"shape {tensor.shape}"
        )


def _tensor(entry: Any, base: int) -> _Tensor:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError("its header describes no tensors")
    name, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not (isinstance(name, str) and _are_lengths(shape) and _are_lengths(offsets)):
        raise ValueError("its header describes no tensors")
    if len(offsets) != 2 or offsets[0] > offsets[1]:
        raise ValueError("its header describes no tensors")
    return _Tensor(name, tuple(shape), base + offsets[0], base + offsets[1])


def _are_lengths(values: Sequence[Any]) -> bool:
    return isinstance(values, list) and all(
        type(value) is int and 0 <= value < 1 << 62 for value in values
    )
