"""Names of a file's parts, for messages of bounded length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

_MOST_NAMES = 10
_LIST_CHARACTERS = 160
_NAME_CHARACTERS = 40


def quoted(name: str) -> str:
    """Return a name in quotes; the middle of a long one is left out."""
    if len(name) > _NAME_CHARACTERS:
        half = (_NAME_CHARACTERS - 3) // 2
        name = f"{name[:half]}...{name[-half:]}"
    return repr(name)


def chosen(path: str, key: str | None, shapes: Mapping[str, tuple[int, ...]], ndim: int) -> str:
    """Return the key of an array in a file: `key` itself, or the only one with `ndim` axes.

    Raises
    ------
    ValueError
        If there is no such array, or more than one.
    """
    fitting = [name for name, shape in shapes.items() if len(shape) == ndim] or list(shapes)
    if key is None and len(fitting) == 1:
        (key,) = fitting
    if key is None or key not in shapes:
        raise ValueError(f"{path}: {missing(key, list(shapes), 'key')}")
    return key


def missing(key: str | None, names: Sequence[str], what: str) -> str:
    """Say which name the file or the request lacks, and list the names that there are.

    It lists at most ten names: those nearest to `key`, or the first ten.
    """
    near = [] if key is None else get_close_matches(key, names, n=3)
    examples: list[str] = []
    for name in list(dict.fromkeys([*near, *names]))[:_MOST_NAMES]:
        if sum(map(len, examples)) + len(quoted(name)) <= _LIST_CHARACTERS:
            examples.append(quoted(name))
    rest = len(names) - len(examples)
    more = f", ... and {rest} more" if rest else ""
    request = f"no {what} {quoted(key)}" if key is not None else f"name its {what} (file:{what})"
    return f"{request}; it has {', '.join(examples) or 'none'}{more}"
