"""How many rows a file may hold, checked before they are read."""

from __future__ import annotations


def check_rows(count: int, n: int | None, most: int | None = None) -> None:
    """Raise ValueError, without the file's name, if not `n` are held, or more than `most`."""
    if n is not None and count != n:
        raise ValueError(f"holds {count} rows, needs {n}")
    if most is not None and count > most:
        raise ValueError(f"holds {count} rows, needs at most {most}")
