"""Lists of numbers in JSON files, such as the batches that this package writes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.json_object import parse_object
from ally_fast.pools.location import Location, as_location
from ally_fast.pools.names import missing, quoted
from ally_fast.pools.row_count import check_rows


def json_column(
    source: Location | str,
    key: str | None,
    *,
    n: int | None = None,
    most: int | None = None,
    allow_null: bool = False,
) -> NDArray[Any]:
    """Return a list of numbers or truth values from the object in a JSON file.

    Parameters
    ----------
    source : Location or str
        The file.
    key : str or None
        The name of the list; None: the only one.
    n, most : int, optional
        The number of values needed, or the largest number allowed.
    allow_null : bool
        Read a null as NaN.

    Returns
    -------
    ndarray of int64, float64 or bool, shape (n,)

    Raises
    ------
    ValueError
        The message names the file. If it is not a JSON object in UTF-8, repeats a name, or holds a
        number that is not finite. If it lacks the list. If the list holds other values, integers
        beyond int64, or floats together with an integer that float64 would round.
    """
    location = as_location(source)
    try:
        key, values = _list(location, key)
        check_rows(len(values), n, most)
        return number_array(key, values, allow_null)
    except ValueError as error:
        raise ValueError(f"{location.name}: {error}") from None


def json_list(source: Location | str, key: str | None) -> list[Any]:
    """Return a list of any values from the object in a JSON file; see `json_column`."""
    location = as_location(source)
    try:
        return _list(location, key)[1]
    except ValueError as error:
        raise ValueError(f"{location.name}: {error}") from None


def json_names(source: Location | str) -> list[str]:
    """Return the names of the lists in the object in a JSON file."""
    location = as_location(source)
    try:
        return list(_lists(location))
    except ValueError as error:
        raise ValueError(f"{location.name}: {error}") from None


def _lists(location: Location) -> dict[str, list[Any]]:
    with location.open() as file:
        content = parse_object(file.read())
    return {name: value for name, value in content.items() if isinstance(value, list)}


def _list(location: Location, key: str | None) -> tuple[str, list[Any]]:
    lists = _lists(location)
    if key is None and len(lists) == 1:
        (key,) = lists
    if key is None or key not in lists:
        raise ValueError(missing(key, list(lists), "list"))
    return key, lists[key]


def number_array(key: str, values: list[Any], allow_null: bool) -> NDArray[Any]:
    """Return a list of numbers or truth values as an array; ValueError for other values."""
    if allow_null and None in values:
        values = [np.nan if value is None else value for value in values]
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
