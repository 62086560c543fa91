"""Records: dataclasses that may hold arrays, and are equal if their contents are."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, ClassVar

import numpy as np


class Record:
    """Base of dataclasses of results; declare them with ``eq=False``. Like arrays, not hashable."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __eq__(self, other: object) -> bool:
        """Tell whether the other has the same class and holds equal values."""
        if type(other) is not type(self):
            return NotImplemented
        return all(
            _same(getattr(self, field.name), getattr(other, field.name)) for field in fields(self)
        )

    __hash__ = None  # type: ignore[assignment]


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    return bool(a == b)
