"""The messages of errors."""

from __future__ import annotations

USER_ERRORS = (
    ValueError,
    TypeError,
    ImportError,
    OSError,
    MemoryError,
    RuntimeError,
    OverflowError,
)


def one_line(error: BaseException) -> str:
    """Return the message of an error as one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return f"out of memory: {text}" if text else "out of memory"
    return text or type(error).__name__
