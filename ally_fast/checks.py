"""Checks of arguments: each error names the argument, what came and what is needed."""

from __future__ import annotations

import math
import numbers
import reprlib
from typing import Any

_WORD = 2**64 - 1  # the largest number of 64 bits
_SEED = "an integer in [0, 2**64), which fixes the answer, such as int(rng.integers(2**63))"


def shown(value: Any) -> str:
    """Return a value as a message shows it: one line of at most 80 characters."""
    if isinstance(value, int) and value.bit_length() > 128:  # Python itself refuses to print some
        return f"a number of {value.bit_length()} bits"
    try:
        line = " ".join(reprlib.repr(value).split())
    except Exception:  # what a caller brings may not even have a repr
        line = object.__repr__(value)
    return line if len(line) <= 80 else f"{line[:77]}..."


def integer(value: Any, name: str, least: int, most: int = _WORD // 2) -> int:
    """Return `value` as an int in [`least`, `most`]; the core holds signed 64-bit integers."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name}: got {shown(value)}, needs an integer")
    whole = int(value)
    if whole < least:
        raise ValueError(f"{name}: got {shown(whole)}, needs at least {least}")
    if whole > most:
        bits = most.bit_length()
        needed = f"less than 2**{bits}" if most == 2**bits - 1 else f"at most {most}"
        raise ValueError(f"{name}: got {shown(whole)}, needs {needed}")
    return whole


def number(value: Any, name: str) -> float:
    """Return `value` as a finite float that equals it."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: got {shown(value)}, needs a number")
    try:
        real = float(value)
    except OverflowError:
        real = math.inf
    if not math.isfinite(real):
        raise ValueError(f"{name}: got {shown(value)}, needs a finite number")
    if real != value:
        raise ValueError(f"{name}: got {shown(value)}, which float64 cannot hold")
    return real


def seed(value: Any) -> int:
    """Return a seed, an integer in [0, 2**64).

    Generators are refused although they could give one: their state would change, and the answer
    would not follow from the arguments. None is refused because you could not get the same answer
    again.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"seed: got {shown(value)}, needs {_SEED}")
    return integer(value, "seed", 0, _WORD)


def choice(value: Any, name: str, choices: tuple[str, ...]) -> str:
    """Return `value` if it is one of `choices`."""
    if not isinstance(value, str) or value not in choices:
        needed = ", ".join(map(repr, choices))
        raise ValueError(f"{name}: got {shown(value)}, needs one of {needed}")
    return value
