"""What the command does first in a process of its own. Imports nothing that takes time."""

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
    """Prepare standard streams; while the block imports, Ctrl-C ends the process at once.

    An exception would not do there: a C extension may turn it into an `ImportError`, or print it.
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
    """Fill the places of closed streams: the next file opened would take them.

    ``sys.stdout`` stays None, which tells that nobody can read what is printed.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free: this one
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")


def _print_any_name(stream: TextIO | None) -> None:
    """Show what the stream's encoding lacks as an escape: the name of a file may hold anything."""
    if stream is not None and hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
