"""What is printed for the user, and what becomes of it where nobody can read it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO


def check_open() -> None:
    """Find out before any work whether something can be printed.

    Raises
    ------
    ValueError
        If standard output was closed when the process started.
    """
    if sys.stdout is None:
        raise ValueError("standard output is closed, and there is something to print")


def show(text: str) -> None:
    """Print a text.

    Raises
    ------
    OSError
        Naming standard output, unless it is a `BrokenPipeError`.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from None


def note(text: str) -> None:
    """Tell the user something on standard error; the run goes on."""
    with suppress(OSError, AttributeError):  # full, or closed when the process started
        print(f"ally-fast: note: {text}", file=sys.stderr, flush=True)


def discard(stream: TextIO | None) -> None:
    """Drop what a stream could not print: the interpreter would try once more at its end."""
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
