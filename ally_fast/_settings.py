"""What the environment decides: instruction set, GPU kernel, number of threads."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ally_fast import _cpu

_given: ContextVar[int | None] = ContextVar("threads", default=None)
MOST_THREADS = 4096  # a mistake, beyond: they are started for each operation


def isa() -> str:
    """Return the instruction set the core will use: the best one, or ``ALLY_FAST_ISA``.

    Raises
    ------
    RuntimeError
        If this machine or this build cannot run the one asked for.
    """
    runnable = _cpu.isas()
    asked = os.environ.get("ALLY_FAST_ISA", "")
    if not asked:
        return runnable[0]
    if asked not in runnable:
        raise RuntimeError(f"ALLY_FAST_ISA={asked!r}: this machine runs {', '.join(runnable)}")
    return asked


def cuda_kernel() -> str:
    """Return the assignment kernel for GPUs: "portable", or ``ALLY_FAST_CUDA_KERNEL``.

    Raises
    ------
    ValueError
        If ``ALLY_FAST_CUDA_KERNEL`` is neither "portable" nor "sm90a".
    """
    asked = os.environ.get("ALLY_FAST_CUDA_KERNEL", "") or "portable"
    if asked not in ("portable", "sm90a"):
        raise ValueError(f"ALLY_FAST_CUDA_KERNEL={asked!r}: needs 'portable' or 'sm90a'")
    return asked


def threads() -> int:
    """Return the number of threads: ``ALLY_FAST_THREADS``, or the cores this process may use.

    Within `using_threads` the number given there. ``OMP_NUM_THREADS`` and limits set by
    threadpoolctl bound the cores.

    Raises
    ------
    ValueError
        If ``ALLY_FAST_THREADS`` is not an integer from 1 to `MOST_THREADS`.
    """
    if (given := _given.get()) is not None:
        return given
    asked = os.environ.get("ALLY_FAST_THREADS", "")
    if asked:
        if not re.fullmatch("[0-9]{1,9}", asked) or not 1 <= int(asked) <= MOST_THREADS:
            needed = f"an integer from 1 to {MOST_THREADS}"
            raise ValueError(f"ALLY_FAST_THREADS={asked[:40]!r}: needs {needed}")
        return int(asked)
    return min([_cores(), *_limits()])


@contextmanager
def using_threads(number: int | None) -> Iterator[None]:
    """Use so many threads in the block; None: as many as are allowed when it begins."""
    token = _given.set(threads() if number is None else number)
    try:
        yield
    finally:
        _given.reset(token)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _limits() -> list[int]:
    """Return what users of OpenMP set to leave cores to others."""
    found = []
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if re.fullmatch("[0-9]{1,9}", asked) and int(asked):
        found.append(int(asked))
    if "threadpoolctl" in sys.modules:  # imported by whoever sets a limit
        pools = sys.modules["threadpoolctl"].threadpool_info()
        found += [int(pool["num_threads"]) for pool in pools if pool["num_threads"]]
    return found
