"""Checks of arguments: each error names the argument, what came and what is needed."""

from __future__ import annotations

import math
import numbers
from typing import Any


def integer(value: Any, name: str, least: int) -> int:
    """Return `value` as an int of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name}: got {value!r}, needs an integer")
    if value < least:
        raise ValueError(f"{name}: got {value}, needs at least {least}")
    return int(value)


def number(value: Any, name: str) -> float:
    """Return `value` as a finite float."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: got {value!r}, needs a number")
    if not math.isfinite(value):
        raise ValueError(f"{name}: got {value}, needs a finite number")
    return float(value)


def seed(value: Any) -> int:
    """Return a seed, an integer in [0, 2**64)."""
    given = integer(value, "seed", 0)
    if given >= 1 << 64:
        raise ValueError(f"seed: got {given}, needs less than 2**64")
    return given


def choice(value: Any, name: str, choices: tuple[str, ...]) -> str:
    """Return `value` if it is one of `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}: got {value!r}, needs one of {', '.join(map(repr, choices))}")
    return value
