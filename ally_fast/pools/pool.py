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
    """The least that rows of one's own must offer: ``n`` of ``d`` features, read in parts.

    Attributes
    ----------
    n, d : int
        Number of rows and of features.
    dtype_name : str
        Element type as stored, such as ``"float16"`` or ``"bfloat16"``.
    itemsize : int
        Bytes an element takes where it is stored.
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
    """Where rows come from, and what the package asks of it; `as_pool` makes one of a `RowSource`.

    Attributes
    ----------
    family : Family
        The kind of array that answers are given in.
    device : str
        Where the rows are: "cpu" or "cuda:N".
    stream : Stream or None
        What rows in device memory are used on; None for rows in host memory.
    ids : Ids or None
        What the user calls the rows.
    scores : array, Column, ById or None
        Dual scores that came with the pool.
    keep : mapping of str to Column
        Columns whose values are wanted for the picks.
    on_bad_row : str
        "error" or "skip", for rows that are not finite.
    streamed : bool
        Whether reading is work, such as decoding, that is worth doing ahead.
    readers : int or None
        Then: how many read side by side, at most; None: one a thread.
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
        """Return ranges that cover rows ``lo`` to ``hi``; threads may read them side by side."""
        ...

    def fault(self, row: int) -> str | None:
        """Say why a row is not finite, and where it stands; None if its number says it all."""
        ...

    def check(self) -> None:
        """Raise ValueError if rows handed out lie in a file that has changed since."""
        ...


def is_wide(pool: Pool) -> bool:
    """Tell whether rows of a pool are computed on in float64: float32 may lack their digits."""
    return pool.dtype_name in ("float64", "int32", "int64", "uint32", "uint64")


def computable(array: NDArray[Any], bf16: bool) -> Rows:
    """Return rows in a form the core computes on, copied only if they are not in one.

    Integers widen to the float type that holds them: 8 and 16 bits exactly to float32, wider
    ones to float64 (exact up to 2**53).
    """
    dtype = array.dtype
    if dtype.kind in "iu" and not bf16:
        dtype = np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)
    dtype = dtype.newbyteorder("=")
    if array.dtype == dtype and array.flags.aligned:
        # Equal, but the core knows one way to say "the machine's byte order" only.
        return Rows(array if array.dtype.byteorder == dtype.byteorder else array.view(dtype), bf16)
    return Rows(array.astype(dtype), bf16)


def as_float(rows: Rows) -> NDArray[Any]:
    """Return rows as float32 (float64 if they are that), bfloat16 decoded; a new array."""
    array = to_host(rows.array)
    if rows.bf16:
        return decoded(array, True)
    return array.astype(np.float64 if array.dtype == np.float64 else np.float32)
