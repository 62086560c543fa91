"""Time and peak memory of one call."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

from benchmarks.memory import PeakMemory
from benchmarks.others import Others


def timed(call: Callable[[], Any], *, alone: bool = True) -> tuple[Any, dict[str, Any]]:
    """Call once and measure it.

    Parameters
    ----------
    call : callable
        What to run.
    alone : bool
        Whether other processes disturb it: not where they do its work.

    Returns
    -------
    tuple
        What it returned, and the fields of a row: ``seconds`` (a list of one), ``peak_bytes``,
        ``extra_bytes``, ``peak_exact``, ``other_cores`` (a list of one).
    """
    gc.collect()
    memory, others = PeakMemory(), Others()
    memory.start()
    others.start()
    start = time.perf_counter()
    value = call()
    seconds = time.perf_counter() - start
    other_cores = others.stop() if alone else None
    memory.stop()
    return value, {
        "seconds": [seconds],
        "peak_bytes": memory.peak_bytes,
        "extra_bytes": memory.extra_bytes,
        "peak_exact": memory.exact,
        "other_cores": [other_cores],
    }


def alternate(
    calls: dict[str, Callable[[], Any]],
    repeats: int,
    budget_seconds: float,
    warm_up: bool = False,
) -> dict[str, dict[str, Any]]:
    """Time several calls in turn: a, b, a, b, … after one round that does not count.

    Parameters
    ----------
    calls : dict of str to callable
        What to run, by name.
    repeats : int
        Rounds.
    budget_seconds : float
        Start no further round once the rounds have taken this long.
    warm_up : bool
        Call each once more before it is timed, as in a loop of its own: memory that a process left
        alone for a second may have gone back to the host of a virtual machine.

    Returns
    -------
    dict
        For every name the fields of a row, ``seconds`` with one entry per round.
    """
    began = time.perf_counter()
    for call in calls.values():
        call()
    found: dict[str, dict[str, Any]] = {}
    for round_ in range(repeats):
        if round_ and time.perf_counter() - began > budget_seconds:
            break
        for name, call in calls.items():
            if warm_up:
                call()
            fields = timed(call)[1]
            if name in found:
                for key in ("seconds", "other_cores"):
                    found[name][key] += fields[key]
                for key in ("peak_bytes", "extra_bytes"):
                    found[name][key] = max(found[name][key], fields[key])
            else:
                found[name] = fields
    return found
