"""Arrow arrays of every layout of vectors, as Arrow lists, without importing pyarrow."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUMPY_NAMES = {"halffloat": "float16", "float": "float32", "double": "float64"}


def levels_of(kind: Any) -> tuple[list[int | None], Any]:
    """Return the sizes of the levels of lists, None if rows may differ, and the inner type."""
    types = sys.modules["pyarrow"].types
    sizes: list[int | None] = []
    kind = undressed(kind)
    if is_bytes(kind):
        return [kind.byte_width if types.is_fixed_size_binary(kind) else None], kind
    while is_list(kind):
        sizes.append(kind.list_size if types.is_fixed_size_list(kind) else None)
        kind = undressed(kind.value_type)
    return sizes, kind


def as_lists(rows: Any) -> Any:
    """Return lists or numbers without dictionary or extension type; bytes become lists."""
    arrow = sys.modules["pyarrow"]
    while True:
        if isinstance(rows.type, arrow.BaseExtensionType):
            rows = rows.storage
        elif isinstance(rows.type, arrow.DictionaryType):
            rows = rows.dictionary_decode()
        elif is_bytes(rows.type):
            return _bytes_as_lists(rows)
        else:
            return rows


def _bytes_as_lists(rows: Any) -> Any:
    """Return bytes as lists of uint8 over the same memory."""
    arrow = sys.modules["pyarrow"]
    if arrow.types.is_binary_view(rows.type):
        rows = rows.cast(arrow.large_binary())
    if arrow.types.is_fixed_size_binary(rows.type):
        lists = arrow.list_(arrow.uint8(), rows.type.byte_width)
    elif arrow.types.is_large_binary(rows.type):
        lists = arrow.large_list(arrow.uint8())
    else:
        lists = arrow.list_(arrow.uint8())
    if not len(rows):  # its buffers may be missing
        return arrow.array([], lists)
    validity, *offsets, content = rows.buffers()
    content = arrow.py_buffer(b"") if content is None else content
    content = arrow.Array.from_buffers(arrow.uint8(), content.size, [None, content])
    return arrow.Array.from_buffers(
        lists, len(rows), [validity, *offsets], offset=rows.offset, children=[content]
    )


def side_by_side(columns: Sequence[Any]) -> Any:
    """Return one fixed-size list for each row: the numbers of that row in all columns.

    Parameters
    ----------
    columns : sequence of pyarrow.Array
        At least one, of one type and the same length.
    """
    arrow = sys.modules["pyarrow"]
    columns = [as_lists(column) for column in columns]
    shape = (len(columns[0]), len(columns))
    values = np.empty(shape, number_name(columns[0].type))
    null = np.zeros(shape, np.bool_) if any(column.null_count for column in columns) else None
    for place, column in enumerate(columns):
        if null is not None and column.null_count:
            null[:, place] = column.is_null().to_numpy(zero_copy_only=False)
            column = column.fill_null(0)
        values[:, place] = column.to_numpy(zero_copy_only=False)
    flat = arrow.array(values.ravel(), mask=None if null is None else null.ravel())
    return arrow.FixedSizeListArray.from_arrays(flat, len(columns))


def lengths_of(lists: Any) -> NDArray[np.int64]:
    """Return how many items each list holds; -1 for null."""
    lengths = lists.value_lengths().fill_null(-1)
    return np.asarray(lengths.to_numpy(zero_copy_only=False), np.int64)


def undressed(kind: Any) -> Any:
    """Return the type that is left when an extension type or a dictionary is decoded."""
    arrow = sys.modules["pyarrow"]
    while True:
        if isinstance(kind, arrow.BaseExtensionType):
            kind = kind.storage_type
        elif isinstance(kind, arrow.DictionaryType):
            kind = kind.value_type
        else:
            return kind


def without_views(kind: Any) -> Any:
    """Return the type to cast texts and bytes to before rows are taken: Arrow takes no views."""
    arrow = sys.modules["pyarrow"]
    if arrow.types.is_string_view(kind):
        return arrow.large_string()
    if arrow.types.is_binary_view(kind):
        return arrow.large_binary()
    if arrow.types.is_struct(kind):
        return arrow.struct([field.with_type(without_views(field.type)) for field in kind])
    if arrow.types.is_list(kind) or arrow.types.is_large_list(kind):
        inner = kind.value_field.with_type(without_views(kind.value_type))
        return arrow.list_(inner) if arrow.types.is_list(kind) else arrow.large_list(inner)
    return kind


def tensor_axes(kind: Any) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return the shape in which a tensor type stores a row, and the order of its axes."""
    arrow = sys.modules["pyarrow"]
    if not isinstance(kind, arrow.FixedShapeTensorType):
        return None
    return tuple(kind.shape), tuple(kind.permutation or range(len(kind.shape)))


def number_name(kind: Any) -> str | None:
    """Return NumPy's name for a type of real numbers, and None for any other type."""
    types = sys.modules["pyarrow"].types
    if not (types.is_integer(kind) or types.is_floating(kind)):
        return None
    return _NUMPY_NAMES.get(str(kind), str(kind))


def is_list(kind: Any) -> bool:
    """Tell whether a type is any kind of list."""
    types = sys.modules["pyarrow"].types
    return bool(
        types.is_fixed_size_list(kind)
        or types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
    )


def is_bytes(kind: Any) -> bool:
    """Tell whether a type holds bytes, of fixed size or not."""
    types = sys.modules["pyarrow"].types
    return bool(
        types.is_fixed_size_binary(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
    )


def is_text(kind: Any) -> bool:
    """Tell whether a type holds texts, or is a dictionary, which may hold texts."""
    types = sys.modules["pyarrow"].types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind))
