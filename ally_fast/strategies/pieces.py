"""Parts of the context's pieces, checked, as float64 in host memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.arrays import as_array, beyond_float64, decoded
from ally_fast.cluster.magnitude import LARGEST, SMALLEST
from ally_fast.device import choose_devices
from ally_fast.device_arrays import as_device_array, device_of, host_copy
from ally_fast.memory import to_host
from ally_fast.pools import as_pool
from ally_fast.pools.pool import Pool, as_float
from ally_fast.rows import Rows
from ally_fast.strategies.contract import Context
from ally_fast.strategies.request import Request

_SUM_TOLERANCE = 1e-2  # bfloat16 probabilities of a thousand classes stay within it


def host_pool(strategy: str, context: Context) -> Pool:
    """Return the pool's embeddings for a strategy that computes on the CPU, copied from a GPU.

    Raises
    ------
    RuntimeError
        If the context names a GPU as its device.
    """
    pool = as_pool(context.embeddings)
    devices = choose_devices(context.device, pool.device)
    if devices == ("cpu",):
        return pool
    if context.device != "auto":
        raise RuntimeError(
            f"{strategy}: computes on the CPU; got device={context.device!r}, needs 'auto' (rows "
            "on a GPU are copied to the host) or 'cpu'"
        )
    return as_pool(host_copy(context.embeddings))


def torch_device(context: Context, pool: Pool) -> str:
    """Return the device on which a strategy's own small network runs."""
    return choose_devices(context.device, pool.device)[0]


def part_of(piece: Any, lo: int, hi: int) -> Any:
    """Return rows ``lo`` to ``hi`` (exclusive) of a piece."""
    if callable(piece):
        return piece(lo, hi)
    return getattr(piece, "iloc", piece)[lo:hi]  # pandas reads [lo:hi] of a float index as labels


def vector(
    strategy: str, name: str, part: Any, keep: NDArray[np.bool_], first: int
) -> NDArray[np.float64]:
    """Return one finite number for each row from `first` on; 0 for rows that are not kept.

    Raises
    ------
    ValueError
        If there is not one for each row, or if that of a kept row is NaN or infinite.
    """
    on_host = device_of(part) == "cpu"
    view = as_array(part, name, ndim=1) if on_host else as_device_array(part, name, ndim=1)
    values = decoded(to_host(view.array), view.bf16)
    if len(values) != len(keep):
        raise ValueError(f"{strategy}: {name}: got {len(values)} for {len(keep)} rows")
    lost = beyond_float64(values) & keep
    check_rows(strategy, name, first, ~lost, "are integers that float64 cannot hold")
    values = np.where(keep, values, 0.0).astype(np.float64)
    check_rows(strategy, name, first, np.isfinite(values), "hold NaN or infinite values")
    return values


def class_probabilities(
    strategy: str, name: str, part: Any, keep: NDArray[np.bool_], first: int
) -> NDArray[np.float64]:
    """Return class probabilities of the rows from `first` on, shape (m, C); uniform if not kept.

    Raises
    ------
    ValueError
        If the shape is wrong, C is below 2, or a kept row is not a distribution.
    """
    pool = as_pool(part, name)
    if pool.n != len(keep) or pool.d < 2:
        raise ValueError(
            f"{strategy}: {name}: got shape ({pool.n}, {pool.d}) for {len(keep)} rows, needs "
            f"({len(keep)}, C) with at least 2 classes"
        )
    values = as_float(pool.read(0, pool.n)).astype(np.float64)
    values[~keep] = 1.0 / pool.d
    with np.errstate(invalid="ignore"):
        right = (values >= 0).all(axis=1) & (np.abs(values.sum(axis=1) - 1) <= _SUM_TOLERANCE)
    check_rows(strategy, name, first, right, "are not probabilities (at least 0, with sum 1)")
    return values


def passes(piece: Any, lo: int, hi: int) -> Iterable[Any]:
    """Return the parts (m, C) of stochastic passes, one after the other."""
    if callable(piece):
        arrays: Iterable[Any] = piece(lo, hi)
        return arrays
    return (part_of(piece[t], lo, hi) for t in range(len(piece)))


def network_rows(
    strategy: str, name: str, rows: NDArray[Any], where: int | NDArray[np.int64], wide: bool
) -> NDArray[np.floating]:
    """Return rows for a network, which standardises them: float32, or float64 if `wide`.

    `where` holds their indices, or the first of them.

    Raises
    ------
    ValueError
        If a value is not finite in that type, or too large for the network to standardise.
    """
    largest = LARGEST if wide else float(np.finfo(np.float32).max)
    check_magnitude(strategy, name, rows, where, largest)
    return rows.astype(np.float64 if wide else np.float32)


@contextmanager
def embeddings_named(strategy: str) -> Iterator[None]:
    """Name the strategy and its embeddings in errors that an op raises about its rows."""
    try:
        yield
    except ValueError as error:
        what = str(error)
        if not what.startswith("rows: "):
            raise
        raise ValueError(f"{strategy}: embeddings: {what.removeprefix('rows: ')}") from error


def check_pool_squares(strategy: str, request: Request, rows: Rows) -> None:
    """Raise ValueError if squared distances between eligible rows overflow or vanish in float64.

    Only rows of float64 can cause this; narrower rows are not read.
    """
    if rows.array.dtype != np.float64:
        return
    largest = 0.0
    for lo, hi, keep in request.chunks():
        part = as_float(Rows(rows.array[lo:hi], rows.bf16))
        part[~keep] = 0.0
        check_magnitude(strategy, "embeddings", part, lo, LARGEST)
        largest = max(largest, float(np.abs(part).max()))
    if 0 < largest < SMALLEST:
        raise ValueError(
            f"{strategy}: embeddings: the largest value is {largest:.3g}, needs at least "
            f"{SMALLEST:.0e}, so that float64 holds squared distances: rescale the rows"
        )


def check_magnitude(
    strategy: str, name: str, rows: NDArray[Any], where: int | NDArray[np.int64], largest: float
) -> None:
    """Raise ValueError if a row holds a value that is not finite, or is beyond `largest`."""
    right = (np.abs(rows) <= np.float64(largest)).all(axis=1)
    what = f"hold NaN, infinite values or values beyond {largest:.1e}"
    check_rows(strategy, name, where, right, what)


def check_rows(
    strategy: str, name: str, where: int | NDArray[np.int64], right: NDArray[np.bool_], what: str
) -> None:
    """Raise ValueError if a row is not `right`; `where` holds their indices, or the first."""
    if not right.all():
        indices = np.arange(where, where + len(right)) if isinstance(where, int) else where
        raise ValueError(
            f"{strategy}: {name}: {int((~right).sum())} of rows {indices[0]} to {indices[-1]} "
            f"{what}, the first is row {indices[right.argmin()]}"
        )
