"""Wall time of a command by stage. The stages add up to the total."""

from __future__ import annotations

import time
from collections.abc import Mapping


class Clock:
    """Seconds by stage, counted from its construction."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._seconds: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Charge the time since the last lap to a stage."""
        now = time.perf_counter()
        self._seconds[stage] = self._seconds.get(stage, 0.0) + now - self._last
        self._last = now

    def lap_by_stage(self, seconds: Mapping[str, float], rest: str) -> None:
        """Charge the time since the last lap to stages timed elsewhere, and the rest to `rest`."""
        self.lap(rest)
        inner = {stage: duration for stage, duration in seconds.items() if stage != "total"}
        left = self._seconds.pop(rest) - sum(inner.values())
        self._seconds |= inner
        self._seconds[rest] = self._seconds.get(rest, 0.0) + max(0.0, left)

    def total(self) -> dict[str, float]:
        """Return the stages and their sum."""
        return {**self._seconds, "total": sum(self._seconds.values())}
