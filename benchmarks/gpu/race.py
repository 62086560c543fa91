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
    that alone has taken a third of the budget is timed no more. The sm90a kernel comes after all
    others are through.

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
    for part in hopper_last(contestants):
        ready = []
        for one in part:
            if recorder.wanted(one.row):
                with recorder.attempt(one.row, device.synchronize):
                    ready.append((one, _checked(device, one)))
        _time_in_turn(recorder, device, ready, budget_seconds, finish)


def hopper_last(entries: list[Contestant]) -> list[list[Contestant]]:
    """Split off the rows of the sm90a kernel: all others are timed before it is first called."""
    hopper = [entry for entry in entries if entry.row.isa == "sm90a"]
    return [part for part in ([e for e in entries if e not in hopper], hopper) if part]


def _checked(device: Any, one: Contestant) -> Callable[[], Any]:
    """Prepare a contestant and judge its first answer; return the call to be timed."""
    call, row = one.prepare(), one.row
    held = device.held if row.engine == "ally_fast" else None
    with PeakDeviceMemory(device, held) as memory:
        value, first = device.time(call, one.clock)
    row.extra_bytes = memory.extra_bytes
    row.extra["first_call_seconds"] = first
    one.check(value)
    del value
    device.synchronize()
    if one.first_counts and first > HEAVY_SECONDS:
        row.seconds, row.other_cores = [first], [None]
        row.extra["only_the_first_call"] = True
    return call


def _time_in_turn(
    recorder: Recorder,
    device: Any,
    ready: list[tuple[Contestant, Callable[[], Any]]],
    budget_seconds: float,
    finish: Callable[[Row], None],
) -> None:
    began = time.perf_counter()
    for round_ in range(max((one.repeats for one, _ in ready), default=0)):
        for one, call in ready:
            row = one.row
            heavy = "only_the_first_call" in row.extra
            if row.status != "ok" or round_ >= one.repeats or heavy:
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
    for one, _ in ready:
        if one.row.ok:
            finish(one.row)
            recorder.keep(one.row)
            tell(one.row)
