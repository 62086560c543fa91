"""Errors of the libraries that read files, with the file's name, in one line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_REASON_CHARACTERS = 120
_PANIC = (
    "PanicException"  # of libraries in Rust; each has a class of its own, which is no Exception
)


@contextmanager
def foreign_errors(path: str, what: str) -> Iterator[None]:
    """Add the file and the place to whatever the block raises.

    Raises
    ------
    OSError
        If the file cannot be read from the disk.
    MemoryError
        If there is not enough of it.
    ValueError
        For everything else: what a damaged file makes a library raise is of some twenty classes.
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
