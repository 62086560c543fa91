"""How much processor time everybody else took while something was measured (Linux)."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

STAT = Path("/proc/stat")


def _busy_seconds() -> float | None:
    """Return the seconds all cores have worked, or had taken away by the hypervisor."""
    try:
        fields = STAT.read_text().split("\n", 1)[0].split()[1:]
    except OSError:
        return None
    user, nice, system, _, _, irq, softirq, steal = map(int, fields[:8])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def wait_for_quiet(limit_cores: float, limit_seconds: float) -> None:
    """Wait until everybody else takes at most so many cores, or for so long."""
    end = time.monotonic() + limit_seconds
    while True:
        others = Others()
        others.start()
        time.sleep(0.3)
        taken = others.stop()
        if taken is None or taken <= limit_cores or time.monotonic() > end:
            return


class Others:
    """Cores busy with something else between ``start`` and ``stop``, on average."""

    def start(self) -> None:
        """Note where the counters are."""
        self._wall, self._busy, self._own = time.perf_counter(), _busy_seconds(), _own_seconds()

    def stop(self) -> float | None:
        """Return the cores others took, or None where the system does not tell.

        The system counts in hundredths of a second: over short stretches this is rough.
        """
        busy = _busy_seconds()
        if busy is None or self._busy is None:
            return None
        wall = max(time.perf_counter() - self._wall, 1e-9)
        other = (busy - self._busy) - (_own_seconds() - self._own)
        return round(max(other, 0.0) / wall, 2) if wall > 0.1 else None
