"""Parts of the context's pieces, checked, as float64 in host memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.arrays import as_array
from ally_fast.device import choose_devices
from ally_fast.device_arrays import as_device_array, device_of, host_copy, to_host
from ally_fast.pools import as_pool
from ally_fast.pools.pool import Pool, as_float, device_of_pool
from ally_fast.strategies.contract import Context

_SUM_TOLERANCE = 1e-2  # bfloat16 probabilities of a thousand classes stay within it


def host_pool(strategy: str, context: Context) -> Pool:
    """Return the pool's embeddings, for a strategy that computes on the CPU; copied from a GPU.

    Raises
    ------
    RuntimeError
        If a GPU is asked for by name.
    """
    pool = as_pool(context.embeddings)
    devices = choose_devices(context.device, device_of_pool(pool))
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
    return choose_devices(context.device, device_of_pool(pool))[0]


def part_of(piece: Any, lo: int, hi: int) -> Any:
    """Return rows ``lo`` to ``hi`` (exclusive) of a piece."""
    return piece(lo, hi) if callable(piece) else piece[lo:hi]


def vector(
    strategy: str, name: str, part: Any, keep: NDArray[np.bool_], first: int
) -> NDArray[np.float64]:
    """Return one finite number for each row from `first` on; 0 for those not kept.

    Raises
    ------
    ValueError
        If there is not one for each row, or one of a row kept is NaN or infinite.
    """
    on_host = device_of(part) == "cpu"
    view = as_array(part, name, ndim=1) if on_host else as_device_array(part, name, ndim=1)
    values = to_host(view.array)
    if view.bf16:
        values = (values.astype(np.uint32) << 16).view(np.float32)
    if len(values) != len(keep):
        raise ValueError(f"{strategy}: {name}: got {len(values)} for {len(keep)} rows")
    values = np.where(keep, values, 0.0).astype(np.float64)
    _check_rows(strategy, name, first, np.isfinite(values), "hold NaN or infinite values")
    return values


def class_probabilities(
    strategy: str, name: str, part: Any, keep: NDArray[np.bool_], first: int
) -> NDArray[np.float64]:
    """Return class probabilities of the rows from `first` on, shape (m, C); uniform if not kept.

    Raises
    ------
    ValueError
        If the shape is another, C is below 2, or a row kept is not a distribution.
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
    _check_rows(strategy, name, first, right, "are not probabilities (at least 0, of sum 1)")
    return values


def passes(piece: Any, lo: int, hi: int) -> Iterable[Any]:
    """Return the parts (m, C) of stochastic passes, one after the other."""
    if callable(piece):
        found: Iterable[Any] = piece(lo, hi)
        return found
    return (piece[t][lo:hi] for t in range(len(piece)))


def _check_rows(strategy: str, name: str, first: int, right: NDArray[np.bool_], what: str) -> None:
    if not right.all():
        raise ValueError(
            f"{strategy}: {name}: {int((~right).sum())} of rows {first} to "
            f"{first + len(right) - 1} {what}, the first is row {first + int(right.argmin())}"
        )
