"""Check how many rows a file holds before they are read."""

from __future__ import annotations


def check_rows(count: int, n: int | None, most: int | None = None) -> None:
    """Raise ValueError, without the file's name, unless `count` is `n` and at most `most`."""
    if n is not None and count != n:
        raise ValueError(f"holds {count} rows, needs {n}")
    if most is not None and count > most:
        raise ValueError(f"holds {count} rows, needs at most {most}")
