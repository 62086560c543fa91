"""How the minutes are shared out."""

from __future__ import annotations

import time
from collections.abc import Iterable

SHARES = {"build": 0.28, "test": 0.25, "sanitize": 0.14, "bench": 0.33}
RESERVE_SECONDS = 6.0  # to stop what runs and to write the summary


class Budget:
    """Seconds for each part; what one leaves over goes to those after it.

    Parameters
    ----------
    minutes : float
        For everything.
    parts : iterable of str
        Parts that will run, keys of ``SHARES``, in order.
    """

    def __init__(self, minutes: float, parts: Iterable[str]) -> None:
        self._end = time.monotonic() + 60 * minutes - RESERVE_SECONDS
        self._waiting = list(parts)

    @property
    def left(self) -> float:
        """Seconds left for everything."""
        return max(self._end - time.monotonic(), 0.0)

    def next(self) -> float:
        """Return the seconds of the next part: its share among those still waiting."""
        shares = [SHARES[part] for part in self._waiting]
        self._waiting.pop(0)
        return self.left * shares[0] / sum(shares)
