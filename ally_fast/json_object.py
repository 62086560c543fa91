"""An object of JSON, read strictly: what a program writes, or an error that says where."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def parse_object(text: bytes | str) -> dict[str, Any]:
    """Return an object; bytes are UTF-8.

    Raises
    ------
    ValueError
        If the text is no JSON, no object, holds a number that is not finite, or a name twice; the
        message says at which line and column of the text, if that is known.
    """
    try:
        text = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        found = json.loads(text, parse_constant=_refuse, object_pairs_hook=_each_once)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"no JSON at {where}: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"no JSON: byte {error.start} is no UTF-8") from error
    except RecursionError as error:
        raise ValueError("no JSON to read: brackets within too many brackets") from error
    if not isinstance(found, dict):
        raise ValueError(f"got {type(found).__name__}, needs an object, {{...}}")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"holds {constant}, needs finite numbers")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        name = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"has {name[:40]!r} twice")
    return found
