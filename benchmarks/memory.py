"""Peak resident memory of a stretch of code in this process (Linux)."""

from __future__ import annotations

import resource
from pathlib import Path

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


def _status_bytes(field: str) -> int | None:
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return None


class PeakMemory:
    """Peak resident bytes between ``start`` and ``stop``.

    The kernel's high-water mark is set back at the start, so that loading the data does not
    count. Where it cannot be (not Linux, no permission) the mark of the whole process is
    reported and ``exact`` is False.
    """

    def __init__(self) -> None:
        self.exact = False
        self.before_bytes = 0
        self.peak_bytes = 0

    def start(self) -> None:
        """Set the mark back and note what is resident now."""
        try:
            CLEAR.write_text("5")
            self.exact = True
        except OSError:
            self.exact = False
        self.before_bytes = _status_bytes("VmRSS") or 0

    def stop(self) -> None:
        """Read the mark."""
        peak = _status_bytes("VmHWM")
        self.peak_bytes = peak or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    @property
    def extra_bytes(self) -> int:
        """Bytes above what was resident at the start."""
        return max(self.peak_bytes - self.before_bytes, 0)
