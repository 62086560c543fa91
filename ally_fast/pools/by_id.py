"""Values that come with the ids of their rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class ById:
    """Match values to the rows of a pool by id; they may come in any order.

    Attributes
    ----------
    ids : array
        Distinct integers or texts.
    values : array
        One value for each id.

    Examples
    --------
    >>> ById(["b", "a"], [0.1, 0.7]).values
    [0.1, 0.7]
    """

    ids: Any
    values: Any
