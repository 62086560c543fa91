"""Input files of a command: an error that one causes names its option and the file, once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ally_fast.cli.messages import USER_ERRORS, one_line
from ally_fast.pools.sources import split_key

# Arguments of `ally_fast.select` that may be files, and their options.
OPTION_OF_INPUT = {
    "embeddings": "--embeddings",
    "dual_scores": "--scores",
    "labeled_embeddings": "--labeled",
    "allocation": "--allocation",
    "exclude": "--exclude",
    "centroids": "--centroids",
}
COLUMN_INPUTS = ("dual_scores", "allocation", "exclude")


class InputError(ValueError):
    """An input file cannot be used; the message names its option and the file."""


@contextmanager
def reading(argument: str, source: str) -> Iterator[None]:
    """Name the option and the file in any error of the block, which reads that file alone."""
    try:
        yield
    except InputError:
        raise
    except USER_ERRORS as error:
        raise InputError(_named(one_line(error), argument, source)) from error


@contextmanager
def using(sources: Mapping[str, str]) -> Iterator[None]:
    """Name the option and the file in errors of the block that name the argument or the file.

    Parameters
    ----------
    sources : mapping of str to str
        The file given for an argument.
    """
    try:
        yield
    except InputError:
        raise
    except USER_ERRORS as error:
        text = one_line(error)
        for argument, source in sources.items():
            if _begins(text, argument) or _mentions(text, source):
                raise InputError(_named(text, argument, source)) from error
        raise


def _named(text: str, argument: str, source: str) -> str:
    option = OPTION_OF_INPUT[argument]
    if _begins(text, argument):
        return f"{option} {source}{text[len(argument) :]}"
    if text.startswith(_paths(source)):
        return f"{option} {text}"
    return f"{option}: {text}" if _mentions(text, source) else f"{option} {source}: {text}"


def _paths(source: str) -> tuple[str, str]:
    """Return the path of a file as given, and the absolute one, as memory maps know it."""
    path = split_key(source)[0]
    return path, os.path.abspath(path)


def _begins(text: str, word: str) -> bool:
    return re.match(rf"{re.escape(word)}\b", text) is not None


def _mentions(text: str, source: str) -> bool:
    path = "|".join(map(re.escape, _paths(source)))
    return re.search(rf"(?<![\w./-])(?:{path})(?![\w/-])", text) is not None
