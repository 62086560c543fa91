"""Values that say which row they are of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class ById:
    """Values matched to the rows of a pool by id, in whatever order they come.

    Attributes
    ----------
    ids : array
        Integers or texts, distinct.
    values : array
        One for each id.

    Examples
    --------
    >>> ById(["b", "a"], [0.1, 0.7]).values
    [0.1, 0.7]
    """

    ids: Any
    values: Any
