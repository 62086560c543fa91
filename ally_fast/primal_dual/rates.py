"""Learning rates: one number, or one for each epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from ally_fast import checks

# A number, or a function from the epoch (from 1) to a number.
Rate: TypeAlias = float | Callable[[int], float]


def checked_rate(value: Any, name: str) -> float:
    """Return a learning rate if it is finite and at least 0; else raise ValueError."""
    rate = checks.number(value, name)
    if rate < 0:
        raise ValueError(f"{name}: got {value}, needs at least 0")
    return rate


def rate_at(rate: Rate, epoch: int, name: str) -> float:
    """Return the learning rate of an epoch, counted from 1."""
    if callable(rate):
        return checked_rate(rate(epoch), f"{name}({epoch})")
    return checked_rate(rate, name)
