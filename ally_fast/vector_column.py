"""Turn the rows of an Arrow column into vectors, without importing pyarrow."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.arrow_lists import (
    as_lists,
    is_bytes,
    lengths_of,
    levels_of,
    number_name,
    tensor_axes,
    undressed,
)

BYTE_DTYPES = (
    *("bfloat16", "float16", "float32", "float64"),
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
)
_SHAPE_ROWS = 1024  # whose lengths are counted before others are compared with them
_SHAPE_BYTES = 4 << 20
_SHOWN = 80  # characters of a type's name in a message
_BF16_NAN = 0x7FC0


class VectorColumn:
    """The rows of an Arrow type as vectors; a row that holds none is NaN.

    One mechanism reads every layout: lists of any kind, lists of one list, tensors of one row,
    bytes of a stated dtype, and dictionaries of these.

    Parameters
    ----------
    kind : pyarrow.DataType
        The column's type.
    name : str
        File and column, for messages.
    dtype : str, optional
        The dtype that bytes hold, little-endian: one of ``BYTE_DTYPES``.

    Raises
    ------
    TypeError
        If the type holds no numbers, or holds bytes without a `dtype`.

    Attributes
    ----------
    dtype_name : str
        The element type as stored.
    itemsize : int
        Its size in bytes.
    unit : int
        Bytes of one item of the lists: the size of a number, or 1 if numbers are in bytes.
    bf16 : bool
        Whether it is bfloat16, which is stored as uint16.
    dtype : numpy.dtype
        Dtype of matrices: float32 for integers of up to 16 bits, float64 for wider ones.
    shape : tuple of int, or None
        Shape of each row; None until `learn`, unless the type tells it.

    Notes
    -----
    A row that is null, holds a null or has another shape reads as NaN. This does no harm if the row
    is excluded; if it is not, `why` says what is wrong with it.
    """

    def __init__(self, kind: Any, name: str, dtype: str | None = None) -> None:
        self.name = name
        self.shape: tuple[int, ...] | None = None
        self._sizes, element = levels_of(kind)
        self._of_bytes = is_bytes(undressed(kind))
        self.dtype_name = self._element(kind, element, dtype)
        self.bf16 = self.dtype_name == "bfloat16"
        stored = np.dtype(np.uint16 if self.bf16 else self.dtype_name)
        self._stored = np.dtype(f"<{stored.str[1:]}") if self._of_bytes else stored
        self.itemsize = stored.itemsize
        self.unit = 1 if self._of_bytes else self.itemsize
        self.dtype = stored
        if stored.kind in "iu" and not self.bf16:
            self.dtype = np.dtype(np.float32 if self.itemsize <= 2 else np.float64)
        self._axes = tensor_axes(kind)
        if None not in self._sizes:
            self._settle()

    @property
    def d(self) -> int:
        """The number of values in a row.

        Raises
        ------
        ValueError
            If a row is a matrix of several rows and columns.
        """
        assert self.shape is not None
        if sum(size != 1 for size in self.shape) > 1:
            sizes = " x ".join(map(str, self.shape))
            raise ValueError(f"{self.name} holds matrices ({sizes}) in its rows, needs vectors")
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def width(self) -> int:
        """The number of values, or bytes, that a row holds as it is stored."""
        return int(np.prod([size or 0 for size in self._sizes], dtype=np.int64))

    def learn(self, parts: Iterable[Any]) -> None:
        """Take the most common shape among the first rows that are neither null nor empty.

        Parameters
        ----------
        parts : iterable of pyarrow.Array
            From the first row on. It stops after 1,024 such rows, or 4 MiB, and takes none if the
            type tells the shape.

        Raises
        ------
        ValueError
            If bytes do not make whole numbers.
        """
        if self.shape is not None:
            return
        samples = [np.empty(0, np.int64) for _ in self._sizes]
        for rows in _sliced(parts):
            for level, (lengths, _) in enumerate(self._unfolded(rows)):
                samples[level] = np.concatenate([samples[level], lengths[lengths > 0]])
            if len(samples[0]) >= _SHAPE_ROWS or samples[-1].sum() * self.unit >= _SHAPE_BYTES:
                break
        self._sizes = [
            _most_common(lengths) if size is None else size
            for size, lengths in zip(self._sizes, samples, strict=True)
        ]
        self._settle()

    def lengths(self, rows: Any) -> NDArray[np.int64]:
        """Return how many values, lists or bytes each row holds; -1 for null."""
        lengths, _ = next(self._unfolded(rows))
        return lengths

    def to_array(self, rows: Any) -> NDArray[Any]:
        """Return rows as an array of shape ``(len(rows), *shape)``.

        The dtype is as stored, in a view if possible; it is `dtype` if NaN replaces some values.
        """
        assert self.shape is not None
        good, leaves = self._leaves(rows, 0)
        values: NDArray[Any] = leaves.to_numpy(zero_copy_only=False)
        if self._of_bytes:
            values = values.view(self._stored)
        elif values.dtype != self._stored:  # integers with nulls among them
            values = values.astype(self.dtype)
        if good is None:
            return values.reshape(len(rows), *self._stored_shape).transpose(self._order)
        missing = _BF16_NAN if self.bf16 else np.nan
        array = np.full((len(rows), *self._stored_shape), missing, self.dtype)
        array[good] = values.reshape(int(good.sum()), *self._stored_shape)
        return array.transpose(self._order)

    def to_matrix(self, rows: Any) -> NDArray[Any]:
        """Return rows as a matrix of `dtype`, shape ``(len(rows), d)``; a view if possible."""
        rows = self.to_array(rows).reshape(len(rows), self.d)
        return np.require(rows, self.dtype, "A")  # bytes may stand anywhere

    def why(self, row: Any) -> str:
        """Say what is wrong with a row that reads as NaN, such as "is null".

        Parameters
        ----------
        row : pyarrow.Array
            This row alone.
        """
        unfolded = list(self._unfolded(row))
        for level, (lengths, _) in enumerate(unfolded):
            size = self._sizes[level]
            odd = lengths[lengths != size]
            if len(odd) and odd[0] < 0:
                return "holds a null" if level else "is null"
            if len(odd):
                last = level + 1 == len(self._sizes)
                unit = "bytes" if self._of_bytes else "values" if last else "lists"
                return f"has {odd[0]} {unit}, needs {size} like the other rows"
        values = unfolded[-1][1]
        return "holds a null" if values.null_count else "holds NaN or infinite values"

    def fault(self, number: int, row: Any) -> str:
        """Say why a row cannot be used, with its number, file and column."""
        return f"{self.name}: row {number} {self.why(row)}"

    def _element(self, kind: Any, element: Any, dtype: str | None) -> str:
        shown = str(kind)[:_SHOWN]
        if self._of_bytes:
            if dtype is None:
                raise TypeError(
                    f"{self.name} holds {shown}: state the dtype of its numbers after its name, as "
                    "in name[float32]"
                )
            if dtype not in BYTE_DTYPES:
                raise TypeError(
                    f"{self.name}: got [{dtype}], needs one of {', '.join(BYTE_DTYPES)}"
                )
            return dtype
        if dtype is not None:
            raise TypeError(f"{self.name} holds {shown}; only bytes need a dtype, got [{dtype}]")
        name = number_name(element)
        if name is None or not self._sizes:
            raise TypeError(f"{self.name} must hold lists of numbers; it holds {shown}")
        return name

    def _settle(self) -> None:
        """Fix the shape of all rows, now that the sizes of all levels are known."""
        sizes = tuple(int(size or 0) for size in self._sizes)
        if self._of_bytes:
            size, rest = divmod(sizes[0], self.itemsize)
            if rest:
                raise ValueError(
                    f"{self.name} holds {sizes[0]} bytes in a row: not a whole number of "
                    f"{self.dtype_name} values"
                )
            sizes = (size,)
        shape, order = self._axes or (sizes, tuple(range(len(sizes))))
        self._stored_shape, self._order = shape, (0, *(axis + 1 for axis in order))
        self.shape = tuple(shape[axis] for axis in order)

    def _unfolded(self, rows: Any) -> Iterator[tuple[NDArray[np.int64], Any]]:
        """Yield for each level of lists their lengths, and the items that all of them hold."""
        for _ in self._sizes:
            lists = as_lists(rows)
            rows = lists.flatten()
            yield lengths_of(lists), rows

    def _leaves(self, rows: Any, level: int) -> tuple[NDArray[np.bool_] | None, Any]:
        """Return which rows have the right shape (None: all), and the values of those."""
        rows = as_lists(rows)
        if level == len(self._sizes):
            return None, rows
        good: NDArray[np.bool_] = lengths_of(rows) == self._sizes[level]
        rest = rows if good.all() else _filtered(rows, good)
        inner, leaves = self._leaves(rest.flatten(), level + 1)
        if inner is not None:
            whole = np.asarray(inner.reshape(len(rest), self._sizes[level] or 0).all(axis=1))
            good[good] = whole
            _, leaves = self._leaves(_filtered(rest, whole).flatten(), level + 1)
        return (None if good.all() else good), leaves


def _sliced(parts: Iterable[Any]) -> Iterator[Any]:
    for part in parts:
        for start in range(0, len(part), _SHAPE_ROWS):
            yield part.slice(start, _SHAPE_ROWS)


def _filtered(rows: Any, mask: NDArray[np.bool_]) -> Any:
    return rows.filter(sys.modules["pyarrow"].array(mask))


def _most_common(lengths: NDArray[np.int64]) -> int:
    """Return the most common length; the one seen first on a tie."""
    widths, first, counts = np.unique(lengths, return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))
    return int(widths[order[0]]) if len(order) else 0


def holds_vectors(kind: Any) -> bool:
    """Tell whether the rows of an Arrow type are certainly vectors."""
    sizes, element = levels_of(kind)
    lists = bool(sizes) and not is_bytes(undressed(kind))
    axes = tensor_axes(kind)
    open_levels = sum(size != 1 for size in (axes[0] if axes else sizes))
    return lists and open_levels <= 1 and number_name(element) is not None
