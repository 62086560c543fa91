"""The protocols that every source of rows follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ally_fast.arrays import Family, decoded
from ally_fast.memory import to_host
from ally_fast.pools.column import Column
from ally_fast.rows import Rows

if TYPE_CHECKING:
    from ally_fast._cuda import Stream
    from ally_fast.pools.ids import Ids


@runtime_checkable
class RowSource(Protocol):
    """Define what your own source of rows must offer: ``n`` rows of ``d`` features, read in parts.

    Attributes
    ----------
    n, d : int
        Number of rows and of features.
    dtype_name : str
        Element type as stored, such as ``"float16"`` or ``"bfloat16"``.
    itemsize : int
        Bytes per stored element.
    """

    n: int
    d: int
    dtype_name: str
    itemsize: int

    def read(self, lo: int, hi: int) -> Rows:
        """Return rows ``lo`` to ``hi`` (exclusive), ``0 <= lo <= hi <= n``."""
        ...

    def gather(self, indices: NDArray[np.int64]) -> Rows:
        """Return the rows at sorted pool `indices`."""
        ...


@runtime_checkable
class Pool(RowSource, Protocol):
    """Define all that the package asks of a source of rows; `as_pool` completes a `RowSource`.

    Attributes
    ----------
    family : Family
        The kind of array that results come in.
    device : str
        Where the rows are: "cpu" or "cuda:N".
    stream : Stream or None
        The stream that rows in device memory are used on; None for rows in host memory.
    ids : Ids or None
        The user's names of the rows.
    scores : array, Column, ById or None
        Dual scores that come with the pool.
    keep : mapping of str to Column
        Columns whose values you want for the picks.
    on_bad_row : str
        "error" or "skip": what to do with rows that are not finite.
    streamed : bool
        Whether reading takes work, such as decoding, so that it pays to read ahead.
    readers : int or None
        The most readers that work side by side on a streamed pool; None means one per thread.
    """

    family: Family
    device: str
    stream: Stream | None
    ids: Ids | None
    scores: Any
    keep: Mapping[str, Column]
    on_bad_row: str
    streamed: bool
    readers: int | None

    def units(self, lo: int, hi: int) -> list[tuple[int, int]]:
        """Return ranges that cover rows ``lo`` to ``hi``; threads may read them in parallel."""
        ...

    def fault(self, row: int) -> str | None:
        """Say why a row is not finite, and in which file; None if only its number is known."""
        ...

    def check(self) -> None:
        """Raise ValueError if rows already returned lie in a file that has changed since."""
        ...


def is_wide(pool: Pool) -> bool:
    """Tell whether a pool's rows need float64, because float32 may lose digits."""
    return pool.dtype_name in ("float64", "int32", "int64", "uint32", "uint64")


def computable(array: NDArray[Any], bf16: bool) -> Rows:
    """Return rows in a form that the core computes on; they are copied only if they need it.

    Integers become floats: those of 8 and 16 bits exact float32, wider ones float64 (exact up to
    2**53).
    """
    dtype = array.dtype
    if dtype.kind in "iu" and not bf16:
        dtype = np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)
    dtype = dtype.newbyteorder("=")
    if array.dtype == dtype and array.flags.aligned:
        # An equal dtype; the core knows only one way to write "the machine's byte order".
        return Rows(array if array.dtype.byteorder == dtype.byteorder else array.view(dtype), bf16)
    return Rows(array.astype(dtype), bf16)


def as_float(rows: Rows) -> NDArray[Any]:
    """Return rows as a new float32 array (float64 rows stay float64); bfloat16 is decoded."""
    array = to_host(rows.array)
    if rows.bf16:
        return decoded(array, True)
    return array.astype(np.float64 if array.dtype == np.float64 else np.float32)
