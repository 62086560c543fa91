"""Show how far a stage is: a bar on a terminal or in a notebook, elsewhere a line now and then."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TextIO

_LINE_SECONDS = 30.0
_REDRAW_SECONDS = 0.1
_stages: ContextVar[tuple[str, ...]] = ContextVar("stages", default=())


@contextmanager
def stages(*labels: str) -> Iterator[None]:
    """Show the number of each stage of the block, in this order: ``assign 3/3``."""
    token = _stages.set(labels)
    try:
        yield
    finally:
        _stages.reset(token)


class Progress:
    """Show how far a stage is; the bar disappears when the stage ends, even if it fails.

    Use it as a context manager around the stage. On a terminal and in a notebook it is a bar of
    tqdm. Elsewhere it writes a line every 30 seconds, so a short run writes none.

    Parameters
    ----------
    enabled : bool
        Show nothing if False.
    total : int
        Units of work in the stage.
    label : str
        Name of the stage; its number is shown within `stages`.
    unit : str
        What is counted, such as ``"rows"``.
    at_most : bool
        Whether the stage may end before `total`, as iterations that converge do.
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
        self._on = enabled and self._stream is not None
        numbered = _stages.get()
        if label in numbered:
            label = f"{label} {numbered.index(label) + 1}/{len(numbered)}"
        self._total, self._label, self._unit, self._at_most = total, label, unit, at_most
        self._bar: Any = None

    def __enter__(self) -> Progress:
        """Start the clock."""
        if self._on:
            self._bar = _bar(self._stream, self._total, self._label, self._unit, self._at_most)
        return self

    def advance(self, n: int, note: str = "") -> None:
        """Count `n` more units, with a word about them; redraw at most ten times a second."""
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(n)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()


class _Lines:
    """The lines to write if no bar can be drawn."""

    def __init__(self, stream: TextIO, shown: dict[str, Any], format_line: Any) -> None:
        self._stream, self._shown, self._format = stream, shown, format_line
        self._started = self._last = time.monotonic()
        self._done, self._note = 0, ""

    def set_postfix_str(self, note: str, refresh: bool) -> None:
        self._note = note

    def update(self, n: int) -> None:
        self._done += n
        now = time.monotonic()
        if now - self._last < _LINE_SECONDS:
            return
        self._last = now
        line = self._format(
            self._done, elapsed=now - self._started, postfix=self._note, **self._shown
        )
        self._stream.write(f"{line}\n")
        self._stream.flush()

    def close(self) -> None:
        pass


def _bar(stream: TextIO, total: int, label: str, unit: str, at_most: bool) -> Any:
    """Return a bar for a notebook or a terminal, or lines."""
    from tqdm import auto, std  # 20 ms, and nobody else needs it

    rows, bound = unit == "rows", "max " if at_most else ""
    rest = f"[{{rate_fmt}}, {bound}{{remaining}} left{{postfix}}]"  # fits 60 columns
    shown = {
        "total": total or None,  # without units there is no percentage
        "unit": " rows" if rows else "it",
        "unit_scale": rows,
    }
    in_notebook = auto.notebook_tqdm is not std.tqdm
    if not in_notebook and not _is_terminal(stream):
        line = f"{label} {{percentage:.0f}}%: {{n_fmt}}/{{total_fmt}} {unit} {rest}"
        return _Lines(stream, {**shown, "bar_format": line}, std.tqdm.format_meter)
    # Without a thread that watches the bar: every update looks at the clock.
    kind = type("Bar", (auto.tqdm,), {"monitor_interval": 0})
    return kind(
        **shown,
        desc=label,
        bar_format=f"{{desc}} {{percentage:3.0f}}%|{{bar}}| {{n_fmt}}/{{total_fmt}} {rest}",
        file=None if in_notebook else stream,
        leave=False,
        dynamic_ncols=True,
        mininterval=_REDRAW_SECONDS,
        miniters=0,
    )


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"
