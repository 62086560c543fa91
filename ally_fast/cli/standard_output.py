"""Print for the user, and handle output that nobody can read."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO


def check_open() -> None:
    """Check before any work that standard output is open.

    Raises
    ------
    ValueError
        If standard output was closed when the process started.
    """
    if sys.stdout is None:
        raise ValueError("standard output is closed, so nothing can be printed")


def show(text: str) -> None:
    """Print a text.

    Raises
    ------
    OSError
        If writing fails; the error names standard output unless it is a `BrokenPipeError`.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from None


def note(text: str) -> None:
    """Print a note on standard error; the run continues."""
    with suppress(OSError, AttributeError):  # full, or closed when the process started
        print(f"ally-fast: note: {text}", file=sys.stderr, flush=True)


def discard(stream: TextIO | None) -> None:
    """Drop what a stream could not print; the interpreter would try again when it exits."""
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
