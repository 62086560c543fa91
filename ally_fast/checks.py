"""Checks of arguments: each error names the argument, what came and what is needed."""

from __future__ import annotations

import math
import numbers
from typing import Any

_WORD = 2**64 - 1  # the largest number of 64 bits


def integer(value: Any, name: str, least: int, most: int = _WORD // 2) -> int:
    """Return `value` as an int in [`least`, `most`]; the native core holds 64 bits with a sign."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name}: got {value!r}, needs an integer")
    given = int(value)
    if given < least:
        raise ValueError(f"{name}: got {_shown(given)}, needs at least {least}")
    if given > most:
        bits = most.bit_length()
        needed = f"less than 2**{bits}" if most == 2**bits - 1 else f"at most {most}"
        raise ValueError(f"{name}: got {_shown(given)}, needs {needed}")
    return given


def _shown(value: int) -> str:
    """Return a number as a message shows it: Python itself refuses to print some."""
    return str(value) if abs(value) <= _WORD else f"a number of {value.bit_length()} bits"


def number(value: Any, name: str) -> float:
    """Return `value` as a finite float."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: got {value!r}, needs a number")
    try:
        given = float(value)
    except OverflowError:
        given = math.inf
    if not math.isfinite(given):
        raise ValueError(f"{name}: got {given}, needs a finite number")
    return given


def seed(value: Any) -> int:
    """Return a seed, an integer in [0, 2**64)."""
    return integer(value, "seed", 0, _WORD)


def choice(value: Any, name: str, choices: tuple[str, ...]) -> str:
    """Return `value` if it is one of `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}: got {value!r}, needs one of {', '.join(map(repr, choices))}")
    return value
