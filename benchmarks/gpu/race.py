"""Contestants at one shape: checked first, then timed in turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.gpu.recorder import Recorder, tell
from benchmarks.memory import PeakDeviceMemory, others_free
from benchmarks.rows import Row

HEAVY_SECONDS = 15.0


@dataclass
class Contestant:
    """Who runs, and how what it returns is judged.

    Parameters
    ----------
    row : Row
        Where figures go.
    prepare : callable
        Off the clock: imports, data in the form it wants. Returns the call to be timed.
    check : callable
        Takes what the call returned; fills the row's quality, raises if the answer is wrong.
    clock : str
        "device" or "wall".
    repeats : int
        Timed calls, fewer if the time is over.
    first_counts : bool
        The checked call is the only one if it takes more than 15 s: nothing is compiled in it.
    """

    row: Row
    prepare: Callable[[], Callable[[], Any]]
    check: Callable[[Any], None]
    clock: str = "device"
    repeats: int = 5
    first_counts: bool = False


def race(
    recorder: Recorder,
    device: Any,
    contestants: list[Contestant],
    budget_seconds: float,
    finish: Callable[[Row], None] = lambda row: None,
) -> None:
    """Check everyone on the work itself, then time them in turn: a, b, c, a, b, c.

    The checked call is the warm-up; its peak of device memory is what the row tells. A contestant
    that alone has taken a third of the budget is timed no more.

    Parameters
    ----------
    recorder : Recorder
    device : TorchDevice or BareDevice
    contestants : list of Contestant
        Ours first.
    budget_seconds : float
        Start no further round after this long.
    finish : callable
        Fills in rates once a row has its times.
    """
    if device.held is None:
        device.held = others_free(device)
    ready: list[tuple[Contestant, Callable[[], Any]]] = []
    for one in contestants:
        if not recorder.wanted(one.row):
            continue
        with recorder.attempt(one.row, device.synchronize):
            call = one.prepare()
            ours = one.row.engine == "ally_fast"
            with PeakDeviceMemory(device, device.held if ours else None) as memory:
                value, first = device.time(call, one.clock)
            one.row.extra_bytes = memory.extra_bytes
            one.row.extra["first_call_seconds"] = first
            one.check(value)
            del value
            device.synchronize()
            if one.first_counts and first > HEAVY_SECONDS:
                one.row.seconds, one.row.other_cores = [first], [None]
                one.row.extra["only_the_first_call"] = True
            ready.append((one, call))
    began, out = time.perf_counter(), set()
    for round_ in range(max((one.repeats for one, _ in ready), default=0)):
        for one, call in ready:
            row = one.row
            heavy = "only_the_first_call" in row.extra
            if id(row) in out or round_ >= one.repeats or heavy:
                continue
            elapsed = time.perf_counter() - began
            over = elapsed > budget_seconds or sum(row.seconds) > budget_seconds / 3
            if row.seconds and (over or recorder.seconds_left < 0):
                continue
            with recorder.attempt(row, device.synchronize):
                row.seconds.append(device.time(call, one.clock)[1])
                row.other_cores.append(None)
                finish(row)
                if round_ == 0:
                    recorder.keep(row)
            if row.status != "ok":
                out.add(id(row))
    for one, _ in ready:
        if one.row.ok:
            finish(one.row)
            recorder.keep(one.row)
            tell(one.row)
