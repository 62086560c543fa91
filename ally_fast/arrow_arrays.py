"""Arrow arrays as NumPy arrays; pyarrow is not imported for it."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SHOWN = 80  # characters of a type's name in a message


def is_arrow(x: Any) -> bool:
    """Tell whether `x` is a pyarrow ``Array`` or ``ChunkedArray``, without importing pyarrow."""
    arrow = sys.modules.get("pyarrow")
    return arrow is not None and isinstance(x, arrow.Array | arrow.ChunkedArray)


def arrow_as_numpy(x: Any, name: str) -> NDArray[Any]:
    """View an Arrow array of numbers, or of equally long lists of them, as a NumPy array.

    Copied only where there are several chunks, nulls, or booleans, which Arrow packs.

    Parameters
    ----------
    x : pyarrow.Array or pyarrow.ChunkedArray
    name : str
        The argument's name, for messages.

    Returns
    -------
    ndarray
        A null is NaN: rows that play no part may be null, others are refused where NaN is.

    Raises
    ------
    TypeError
        If it holds something else than numbers.
    ValueError
        If lists differ in length, or a null is among values that NaN cannot stand for.
    """
    arrow = sys.modules["pyarrow"]
    if not isinstance(x, arrow.ChunkedArray):
        return _dense(x, name, arrow)
    chunks = [chunk for chunk in x.chunks if len(chunk)] or [arrow.array([], x.type)]
    parts = [_dense(chunk, name, arrow) for chunk in chunks]
    shapes = {part.shape[1:] for part in parts}
    if len(shapes) > 1:
        raise ValueError(f"{name}: chunks hold rows of different shapes: {sorted(shapes)[:10]}")
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _dense(x: Any, name: str, arrow: Any) -> NDArray[Any]:
    types, kind = arrow.types, x.type
    if isinstance(x, arrow.ExtensionArray):
        values = _dense(x.storage, name, arrow)
        shape = getattr(kind, "shape", None)  # of each row, if it is a tensor
        return values if shape is None else values.reshape(len(x), *shape)
    if types.is_fixed_size_list(kind) or types.is_list(kind) or types.is_large_list(kind):
        return _lists(x, name, arrow)
    if not (types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)):
        raise TypeError(f"{name} must hold real numbers; got Arrow {str(kind)[:_SHOWN]}")
    if types.is_boolean(kind) and x.null_count:
        raise ValueError(f"{name}: the value at place {_first_null(x)} is null")
    numbers: NDArray[Any] = x.to_numpy(zero_copy_only=False)
    return numbers


def _lists(x: Any, name: str, arrow: Any) -> NDArray[Any]:
    rows = x.drop_null() if x.null_count else x
    values = _dense(rows.flatten(), name, arrow)
    if arrow.types.is_fixed_size_list(x.type):
        width = x.type.list_size
    else:
        lengths = np.diff(rows.offsets.to_numpy())
        width = int(lengths[0]) if len(lengths) else 0
        if (lengths != width).any():
            odd = int((lengths != width).argmax())
            if x.null_count:
                odd = int(np.flatnonzero(_valid(x))[odd])
            raise ValueError(
                f"{name}: lists differ in length: row {odd} does not hold {width} values, as "
                "those before it do"
            )
    dense = values.reshape(len(rows), width, *values.shape[1:])
    if not x.null_count:
        return dense
    if dense.dtype.kind != "f":
        raise ValueError(f"{name}: row {_first_null(x)} is null")
    whole = np.full((len(x), *dense.shape[1:]), np.nan, dense.dtype)
    whole[_valid(x)] = dense
    return whole


def _valid(x: Any) -> NDArray[np.bool_]:
    valid: NDArray[np.bool_] = x.is_valid().to_numpy(zero_copy_only=False)
    return valid


def _first_null(x: Any) -> int:
    return int(_valid(x).argmin())
