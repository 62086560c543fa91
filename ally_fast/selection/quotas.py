"""How many picks a group may and must have, and how much picks may cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast import checks
from ally_fast.arrays import as_array
from ally_fast.device_arrays import host_copy
from ally_fast.selection.labels import Labels, labels_of

_MOST = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Quotas:
    """Groups of rows, with the fewest and the most picks from each.

    Attributes
    ----------
    names : list
        The user's names for the groups.
    codes : ndarray of int32, shape (n,)
        The group of each row, as its position in `names`; -1 for rows that cannot be picked.
    least, most : ndarray of int64, shape (len(names),)
    """

    names: list[Any]
    codes: NDArray[np.int32]
    least: NDArray[np.int64]
    most: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Costs:
    """Cost of each row, shape (n,), float64, and the most that all picks may cost together."""

    values: NDArray[np.float64]
    budget: float


def checked_quotas(
    groups: Any,
    least: Any,
    most: Any,
    b: int,
    eligible: NDArray[np.bool_] | None,
    n: int,
    *,
    fewer: bool,
) -> Quotas | None:
    """Return the quotas; None if there are no groups.

    Parameters
    ----------
    groups : array, shape (n,), Labels, or None
        Integers, texts or booleans.
    least, most : int, mapping of group to int, or None
        ``min_per_group`` and ``max_per_group``; an int holds for each group that has eligible rows.
    fewer : bool
        Whether there may be fewer than `b` picks.

    Raises
    ------
    ValueError, TypeError
        If groups come without limits or limits without groups; if an eligible row has no group; if
        limits cannot be met: the message names the group, what it has and what you asked for.
    """
    if groups is None:
        for name, limit in (("min_per_group", least), ("max_per_group", most)):
            if limit is not None:
                raise ValueError(f"{name}: has no effect without groups; needs groups as well")
        return None
    if least is None and most is None:
        raise ValueError("groups: have no effect alone; needs min_per_group or max_per_group")
    names, codes, others = _coded(groups, eligible, n)
    sizes = np.bincount(codes[codes >= 0], minlength=len(names))
    low = _limits(least, "min_per_group", names, others, 0)
    high = _limits(most, "max_per_group", names, others, _MOST)
    for code, name in enumerate(names):
        if low[code] > high[code]:
            raise ValueError(
                f"min_per_group: group {name!r} needs {low[code]}, but max_per_group allows "
                f"{high[code]}"
            )
        if low[code] > sizes[code]:
            raise ValueError(
                f"min_per_group: group {name!r} needs {low[code]}, but has {sizes[code]} "
                "eligible rows"
            )
    if low.sum() > b:
        raise ValueError(f"min_per_group: the groups need {low.sum()} in all, but b is {b}")
    can = int(np.minimum(sizes, high).sum())
    if can < b and not fewer:
        raise ValueError(f"max_per_group: the groups allow only {can} in all, but b is {b}")
    return Quotas(names, codes, low, high)


def checked_costs(
    cost: Any, budget: Any, eligible: NDArray[np.bool_] | None, n: int
) -> Costs | None:
    """Return the costs; None if there are none.

    Raises
    ------
    ValueError, TypeError
        If one of the two is missing; if a cost is negative or not finite: the message names the
        first such row.
    """
    if cost is None and budget is None:
        return None
    if cost is None or budget is None:
        one, other = ("cost", "cost_budget") if budget is None else ("cost_budget", "cost")
        raise ValueError(f"{one}: has no effect without {other}; needs {other} as well")
    values = np.asarray(as_array(host_copy(cost), "cost", ndim=1).numbers(), np.float64)
    if len(values) != n:
        raise ValueError(f"cost: got {len(values)}, needs one for each of {n} rows")
    bad = ~(np.isfinite(values) & (values >= 0))
    if eligible is not None:
        bad &= eligible
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(
            f"cost: {int(bad.sum())} values are negative or not finite, the first is "
            f"{values[row]} in row {row}; needs finite values of at least 0"
        )
    limit = checks.number(budget, "cost_budget")
    if limit < 0:
        raise ValueError(f"cost_budget: got {limit}, needs at least 0")
    return Costs(values, limit)


def _coded(
    groups: Any, eligible: NDArray[np.bool_] | None, n: int
) -> tuple[list[Any], NDArray[np.int32], list[Any]]:
    """Return the sorted groups of eligible rows, each row's code among them, and other groups.

    The other groups have only rows that cannot be picked.
    """
    labels = groups if isinstance(groups, Labels) else labels_of(groups)
    if len(labels.codes) != n:
        raise ValueError(f"groups: got {len(labels.codes)}, needs one for each of {n} rows")
    counted = np.ones(n, np.bool_) if eligible is None else eligible
    missing = counted & (labels.codes < 0)
    if missing.any():
        row = int(missing.argmax())
        raise ValueError(f"groups: row {row} has no group; needs one for each eligible row")
    is_used = np.zeros(len(labels.names), np.bool_)
    is_used[labels.codes[counted]] = True
    try:
        order = sorted(np.flatnonzero(is_used).tolist(), key=lambda code: labels.names[code])
    except TypeError:
        raise TypeError(
            "groups: got values of several types, needs only integers or only texts"
        ) from None
    code_of = np.full(len(labels.names) + 1, -1, np.int32)
    code_of[order] = np.arange(len(order))
    codes = np.where(counted, code_of[labels.codes], np.int32(-1))
    others = [labels.names[code] for code in np.flatnonzero(~is_used)]
    return [labels.names[code] for code in order], codes, others


def _limits(
    bounds: Any, name: str, names: list[Any], others: list[Any], default: int
) -> NDArray[np.int64]:
    limits = np.full(len(names), default, np.int64)
    if bounds is None:
        return limits
    if not isinstance(bounds, Mapping):
        limits[:] = checks.integer(bounds, name, 0)
        return limits
    codes = {_text(group): code for code, group in enumerate(names)}
    known = {_text(group) for group in others}
    for group, limit in bounds.items():
        number = checks.integer(limit, name, 0)
        if (code := codes.get(_text(group))) is not None:
            limits[code] = number
        elif name == "min_per_group" and number:
            raise ValueError(f"{name}: group {group!r} needs {number}, but has 0 eligible rows")
        elif _text(group) not in known:
            shown = ", ".join(repr(other) for other in [*names, *others][:5])
            raise ValueError(f"{name}: no row has the group {group!r}; the groups are {shown}")
    return limits


def _text(group: Any) -> str:
    """Return a group as text, so that 3 and "3", True and "true" are found alike."""
    return str(group).lower() if isinstance(group, bool | np.bool_) else str(group)
