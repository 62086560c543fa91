"""One-line errors, with the file's name, for what file-reading libraries raise."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_REASON_CHARACTERS = 120
_PANIC = "PanicException"  # Rust libraries raise it; each has its own class, not under Exception


@contextmanager
def foreign_errors(path: str, what: str) -> Iterator[None]:
    """Add the file and the place to any error that the block raises.

    Raises
    ------
    OSError
        If the file cannot be read from the disk.
    MemoryError
        If memory does not suffice.
    ValueError
        For every other error; damaged files make libraries raise some twenty classes.
    """
    try:
        yield
    except OSError as error:
        if error.errno:
            raise OSError(error.errno, os.strerror(error.errno), path) from error
        raise ValueError(f"{path}: {what}: {_reason(error)}") from error
    except MemoryError as error:
        raise MemoryError(f"{path}: {what}: {_reason(error)}") from error
    except BaseException as error:
        if not (isinstance(error, Exception) or type(error).__name__ == _PANIC):
            raise
        raise ValueError(f"{path}: {what}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _REASON_CHARACTERS else f"{text[:_REASON_CHARACTERS]}..."
