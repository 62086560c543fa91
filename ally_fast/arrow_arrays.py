"""Arrow arrays as NumPy arrays, without importing pyarrow."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast._optional import require
from ally_fast.arrow_lists import is_list, undressed
from ally_fast.vector_column import VectorColumn

_SHOWN = 80  # characters of a type's name in a message
_REASON = 120
_VECTORS = (list, tuple, np.ndarray)


def is_arrow(x: Any) -> bool:
    """Tell whether `x` is a pyarrow ``Array`` or ``ChunkedArray``, without importing pyarrow."""
    arrow = sys.modules.get("pyarrow")
    return arrow is not None and isinstance(x, arrow.Array | arrow.ChunkedArray)


def arrow_of(x: Any, name: str) -> Any | None:
    """Return an Arrow array unchanged, a column of vectors of pandas or polars as one, else None.

    Parameters
    ----------
    x : object
        Any object; finding out what it is imports neither library.
    name : str
        The argument's name, for messages.

    Raises
    ------
    ImportError
        If pyarrow, which reads such columns, is missing.
    ValueError
        If the rows of a pandas column of objects do not have one type.
    """
    if is_arrow(x):
        return x
    if _is_series_of_vectors(x):
        arrow = require("pyarrow", "parquet", f"{name}, a column of vectors,")
        try:
            return x.to_arrow() if hasattr(x, "to_arrow") else arrow.array(x, from_pandas=True)
        except (arrow.ArrowInvalid, arrow.ArrowTypeError, arrow.ArrowNotImplementedError) as error:
            raise ValueError(f"{name}: {str(error).splitlines()[0][:_REASON]}") from None
    return None


def vectors_of(x: Any, name: str) -> Any | None:
    """Return a column of lists as a ``ChunkedArray``, else None; see `arrow_of`."""
    column = arrow_of(x, name)
    if column is None or not is_list(undressed(column.type)):
        return None
    return sys.modules["pyarrow"].chunked_array(chunks_of(column), column.type)


def _is_series_of_vectors(x: Any) -> bool:
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if polars is not None and isinstance(x, polars.Series):
        return bool(x.dtype.is_nested())
    if pandas is None or not isinstance(x, pandas.Series):
        return False
    if (kind := getattr(x.dtype, "pyarrow_dtype", None)) is not None:
        return bool(sys.modules["pyarrow"].types.is_nested(kind))
    if x.dtype != object:
        return False
    first = next((item for item in x if isinstance(item, _VECTORS) or pandas.notna(item)), None)
    return isinstance(first, _VECTORS)


def chunks_of(x: Any) -> list[Any]:
    """Return the chunks of an Arrow array that hold rows; at least one chunk."""
    if not hasattr(x, "chunks"):
        return [x]
    empty = sys.modules["pyarrow"].array([], x.type) if not len(x) else None
    return [chunk for chunk in x.chunks if len(chunk)] or [empty]


def arrow_as_numpy(x: Any, name: str, ndim: int | None = None) -> NDArray[Any]:
    """View an Arrow array of numbers, or of vectors, as a NumPy array.

    It is copied only if it has several chunks, nulls, or booleans, which Arrow packs.

    Parameters
    ----------
    x : pyarrow.Array or pyarrow.ChunkedArray
    name : str
        The argument's name, for messages.
    ndim : int, optional
        The number of dimensions needed. If it is 2, matrices of one row count as vectors.

    Returns
    -------
    ndarray
        A null is NaN, and so is a row that holds no vector (see `VectorColumn`). It does no harm in
        rows that are not used, and is refused in others, as NaN is.

    Raises
    ------
    TypeError
        If it holds anything but numbers.
    ValueError
        If there is a null among values that NaN cannot replace.
    """
    chunks = chunks_of(x)
    types, kind = sys.modules["pyarrow"].types, x.type
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        parts = [_numbers(chunk, name) for chunk in chunks]
    elif is_list(undressed(kind)):
        column = VectorColumn(kind, name)
        column.learn(chunks)
        shape = column.shape
        assert shape is not None
        if ndim == 2 and sum(size != 1 for size in shape) <= 1:
            shape = (column.d,)
        parts = [column.to_array(chunk).reshape(len(chunk), *shape) for chunk in chunks]
    else:
        raise TypeError(f"{name} must hold real numbers; got Arrow {str(kind)[:_SHOWN]}")
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _numbers(x: Any, name: str) -> NDArray[Any]:
    if x.null_count and sys.modules["pyarrow"].types.is_boolean(x.type):
        null = x.is_null().to_numpy(zero_copy_only=False)
        raise ValueError(f"{name}: the value at place {int(null.argmax())} is null")
    numbers: NDArray[Any] = x.to_numpy(zero_copy_only=False)
    return numbers
