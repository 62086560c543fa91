"""Wall time by stage."""

from __future__ import annotations

import time


class Clock:
    """Seconds by stage, from the moment it is made."""

    def __init__(self) -> None:
        self._started = self._last = time.perf_counter()
        self._seconds: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Charge the time since the last lap to a stage."""
        now = time.perf_counter()
        self._seconds[stage] = now - self._last
        self._last = now

    def skip(self, seconds: dict[str, float]) -> None:
        """Take over stages that were timed elsewhere."""
        self._seconds.update(seconds)
        self._last = time.perf_counter()

    def total(self) -> dict[str, float]:
        """Return all stages; those that did not run took no time."""
        stages = ("check", "radius", "sample", "train", "assign", "batch")
        total = time.perf_counter() - self._started
        return {stage: self._seconds.get(stage, 0.0) for stage in stages} | {"total": total}
