"""What the command does first if it owns the process. Imports nothing slow."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TextIO


@contextmanager
def own_process() -> Iterator[None]:
    """Prepare the standard streams. Ctrl-C ends the process at once while the block imports.

    An exception does not work there: a C extension may turn it into an `ImportError` or print it.
    """
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        _print_any_name(stream)
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # ignored, as by nohup
        yield
        return
    signal.signal(signal.SIGINT, _leave)
    yield
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(number: int, frame: FrameType | None) -> None:
    os.write(2, b"ally-fast: interrupted\n")
    os._exit(130)


def _open_closed_streams() -> None:
    """Open the null device in place of closed streams; otherwise the next file would take them.

    ``sys.stdout`` stays None, so that the command knows that nobody can read its output.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free: this one
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")


def _print_any_name(stream: TextIO | None) -> None:
    """Print characters outside the stream's encoding as escapes: file names may hold anything."""
    if stream is not None and hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
