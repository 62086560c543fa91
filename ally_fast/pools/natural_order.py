"""The order in which people number files and columns."""

from __future__ import annotations

import re
from typing import Any

_DIGITS = re.compile(r"(\d+)")


def natural_order(path: str) -> tuple[Any, ...]:
    """Return a key that sorts paths by folder and name, and numbers in them by value."""
    return tuple(
        (tuple((int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces), part)
        for part in path.split("/")
        for pieces in (_DIGITS.split(part),)
    )
