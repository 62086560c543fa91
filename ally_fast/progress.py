"""One progress line on a terminal, and nothing anywhere else."""

from __future__ import annotations

import os
import shutil
import sys
import time
from types import TracebackType
from typing import TextIO

_REDRAW_SECONDS = 0.1
_BAR_WIDTH = 24


class Progress:
    """Show how far a stage is; the line is wiped when the stage ends, well or not.

    Use as a context manager around the stage.

    Parameters
    ----------
    enabled : bool
        Draw nothing if False. Nothing is drawn either when `stream` is not a terminal.
    total : int
        Units of work in the stage.
    label : str
        Name of the stage.
    unit : str
        What is counted, such as ``"rows"``.
    at_most : bool
        The stage may end before `total`, as iterations do that converge.
    stream : text stream, optional
        Standard error by default.

    Examples
    --------
    >>> with Progress(True, 10, "assign") as progress:
    ...     for _ in range(10):
    ...         progress.advance(1)
    """

    def __init__(
        self,
        enabled: bool,
        total: int,
        label: str,
        *,
        unit: str = "rows",
        at_most: bool = False,
        stream: TextIO | None = None,
    ) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._on = enabled and _is_terminal(self._stream)
        self._total, self._label, self._unit = total, label, unit
        self._bound = "at most " if at_most else ""
        self._done = 0
        self._note = ""
        self._started = self._next_draw = 0.0

    def __enter__(self) -> Progress:
        """Start the clock."""
        self._started = self._next_draw = time.monotonic()
        self.advance(0)
        return self

    def advance(self, n: int, note: str = "") -> None:
        """Count `n` more units, with a word about them; redraws at most ten times a second."""
        self._done += n
        self._note = note
        if self._on and (now := time.monotonic()) >= self._next_draw:
            self._next_draw = now + _REDRAW_SECONDS
            self._draw(now - self._started)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wipe the line."""
        if self._on:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _draw(self, seconds: float) -> None:
        share = min(1.0, self._done / self._total) if self._total else 1.0
        line = (
            f"{self._label:<10} {self._bar(share)} {share:4.0%}  "
            f"{self._done:,} of {self._bound}{self._total:,} {self._unit}"
        )
        if self._done and seconds > 0:
            rate = self._done / seconds
            left = max(0, self._total - self._done) / rate
            line += f"  {self._speed(rate)}  {self._bound}{_clock(left)} left"
        if self._note:
            line += f"  {self._note}"
        width = shutil.get_terminal_size().columns
        self._stream.write(f"\r{line[: width - 1]}\x1b[K")
        self._stream.flush()

    def _bar(self, share: float) -> str:
        full, empty = ("━", "┈") if _encodes(self._stream, "━┈") else ("#", ".")
        filled = round(share * _BAR_WIDTH)
        return full * filled + empty * (_BAR_WIDTH - filled)

    def _speed(self, rate: float) -> str:
        if rate < 1:
            return f"{short_number(1 / rate)} s each"
        return f"{short_number(rate)} {self._unit}/s"


def short_number(value: float) -> str:
    """Return a number to three significant digits, with k, M or G.

    Examples
    --------
    >>> short_number(1_234_567), short_number(999.6), short_number(12)
    ('1.23 M', '1.00 k', '12')
    """
    for factor, suffix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= 0.9995 * factor:
            digits = max(0, 2 - len(str(int(value / factor * 1.0005))) + 1)
            return f"{value / factor:.{digits}f}{suffix}"
    return f"{value:.3g}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def _encodes(stream: TextIO, text: str) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True
