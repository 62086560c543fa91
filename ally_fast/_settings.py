"""What the environment decides: instruction set, GPU kernel, number of threads."""

from __future__ import annotations

import os
import re

from ally_fast import _cpu

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
    """Return the number of threads: the cores this process may use, or ``ALLY_FAST_THREADS``.

    Raises
    ------
    ValueError
        If ``ALLY_FAST_THREADS`` is not an integer from 1 to `MOST_THREADS`.
    """
    asked = os.environ.get("ALLY_FAST_THREADS", "")
    if asked:
        if not re.fullmatch("[0-9]{1,9}", asked) or not 1 <= int(asked) <= MOST_THREADS:
            needed = f"an integer from 1 to {MOST_THREADS}"
            raise ValueError(f"ALLY_FAST_THREADS={asked[:40]!r}: needs {needed}")
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
