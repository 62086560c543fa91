"""Lists of numbers in JSON files, such as the batches this package writes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.json_object import parse_object
from ally_fast.pools.names import missing, quoted
from ally_fast.pools.row_count import check_rows


def json_column(
    path: str, key: str | None, *, n: int | None = None, most: int | None = None
) -> NDArray[Any]:
    """Return a list of numbers, or of truth values, in the object that a JSON file holds.

    Parameters
    ----------
    path : str
        The file.
    key : str or None
        The name of the list; None: the only one.
    n, most : int, optional
        How many numbers are needed, or allowed.

    Returns
    -------
    ndarray of int64, float64 or bool, shape (n,)

    Raises
    ------
    ValueError
        Naming the file: if it is no JSON object of UTF-8, names a thing twice, or holds a number
        that is not finite; if it lacks the list, or the list holds anything else, integers beyond
        int64, or beside floats one that float64 would round.
    """
    with open(path, "rb") as file:
        text = file.read()
    try:
        content = parse_object(text)
        lists = [name for name, value in content.items() if isinstance(value, list)]
        if key is None and len(lists) == 1:
            key = lists[0]
        if key is None or key not in lists:
            raise ValueError(missing(key, lists, "list"))
        check_rows(len(content[key]), n, most)
        return _array(key, content[key])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _array(key: str, values: list[Any]) -> NDArray[Any]:
    kinds = set(map(type, values))
    if kinds == {bool}:
        return np.array(values)
    if not kinds <= {int, float}:
        raise ValueError(f"list {quoted(key)} must hold numbers only, or truth values only")
    try:
        array = np.array(values, np.float64 if float in kinds else np.int64)
    except OverflowError:
        raise ValueError(f"list {quoted(key)} holds an integer that is too large") from None
    integers = {value for value in values if type(value) is int} if float in kinds else ()
    if any(int(float(value)) != value for value in integers):
        raise ValueError(f"list {quoted(key)} holds an integer that float64 would round")
    return array
