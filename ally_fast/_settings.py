"""Settings from the environment: instruction set, GPU kernel, number of threads."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ally_fast import _cpu

_override: ContextVar[int | None] = ContextVar("threads", default=None)
MOST_THREADS = 4096  # more is a mistake: each operation starts its threads


def isa() -> str:
    """Return the instruction set for the core: ``ALLY_FAST_ISA``, or the best one.

    Raises
    ------
    RuntimeError
        If this machine or this build cannot run the one in ``ALLY_FAST_ISA``.
    """
    runnable = _cpu.isas()
    setting = os.environ.get("ALLY_FAST_ISA", "")
    if not setting:
        return runnable[0]
    if setting not in runnable:
        raise RuntimeError(f"ALLY_FAST_ISA={setting!r}: this machine runs {', '.join(runnable)}")
    return setting


def cuda_kernel() -> str:
    """Return the assignment kernel for GPUs: ``ALLY_FAST_CUDA_KERNEL``, or "portable".

    Raises
    ------
    ValueError
        If ``ALLY_FAST_CUDA_KERNEL`` is neither "portable" nor "sm90a".
    """
    setting = os.environ.get("ALLY_FAST_CUDA_KERNEL", "") or "portable"
    if setting not in ("portable", "sm90a"):
        raise ValueError(f"ALLY_FAST_CUDA_KERNEL={setting!r}: needs 'portable' or 'sm90a'")
    return setting


def threads() -> int:
    """Return the number of threads: ``ALLY_FAST_THREADS``, or the cores this process may use.

    Within `using_threads` it is the number given there. ``OMP_NUM_THREADS`` and limits set by
    threadpoolctl can lower the number of cores.

    Raises
    ------
    ValueError
        If ``ALLY_FAST_THREADS`` is not an integer from 1 to `MOST_THREADS`.
    """
    if (number := _override.get()) is not None:
        return number
    setting = os.environ.get("ALLY_FAST_THREADS", "")
    if setting:
        if not re.fullmatch("[0-9]{1,9}", setting) or not 1 <= int(setting) <= MOST_THREADS:
            needed = f"an integer from 1 to {MOST_THREADS}"
            raise ValueError(f"ALLY_FAST_THREADS={setting[:40]!r}: needs {needed}")
        return int(setting)
    return min([_cores(), *_limits()])


@contextmanager
def using_threads(number: int | None) -> Iterator[None]:
    """Use this number of threads in the block; None: as many as `threads` gives when it begins."""
    token = _override.set(threads() if number is None else number)
    try:
        yield
    finally:
        _override.reset(token)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _limits() -> list[int]:
    """Return the limits by which users of OpenMP leave cores to others."""
    limits = []
    setting = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if re.fullmatch("[0-9]{1,9}", setting) and int(setting):
        limits.append(int(setting))
    if "threadpoolctl" in sys.modules:  # imported by whoever sets a limit
        pools = sys.modules["threadpoolctl"].threadpool_info()
        limits += [int(pool["num_threads"]) for pool in pools if pool["num_threads"]]
    return limits
