"""Read JSON strictly; an error says where the text is wrong."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn


def parse_object(text: bytes | str) -> dict[str, Any]:
    """Return the object in a text of JSON; bytes are UTF-8.

    Raises
    ------
    ValueError
        If the text is not an object, or as `parse_json` does.
    """
    value = parse_json(text)
    if not isinstance(value, dict):
        raise ValueError(f"got {type(value).__name__}, needs an object, {{...}}")
    return value


def parse_json(text: bytes | str) -> Any:
    """Return the value in a text of JSON; bytes are UTF-8.

    Raises
    ------
    ValueError
        If the text is not JSON, holds a number that is not finite, or has a name twice in an
        object. The message gives the line and column of the text, if they are known.
    """
    try:
        text = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        return json.loads(
            text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_each_once
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"not JSON, at {where}: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"not JSON: byte {error.start} is not UTF-8") from error
    except RecursionError as error:
        raise ValueError("cannot read JSON: too many nested brackets") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"holds {constant}, needs finite numbers")


def _finite(text: str) -> float:
    number = float(text)
    return _refuse(text[:40]) if math.isinf(number) else number  # 1e999


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        name = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"has {name[:40]!r} twice")
    return content
