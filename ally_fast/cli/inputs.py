"""Input files of a command: an error that one causes names its option and the file, once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ally_fast.cli.messages import USER_ERRORS, one_line
from ally_fast.pools.column_spec import ColumnSpec
from ally_fast.pools.location import Location
from ally_fast.pools.sources import locations, split_key


class InputError(ValueError):
    """An input file cannot be used; the message names its option and the file."""


@dataclass(frozen=True)
class Input:
    """Something that a user named.

    Attributes
    ----------
    argument : str
        The argument of `ally_fast.select` that it is for.
    option : str
        How the user gave it.
    text : str
        What the user wrote: files, or a column spec.
    is_column : bool
        Whether it is a column spec.
    storage_options : mapping or None
        For the file system of a URL.
    """

    argument: str
    option: str
    text: str
    is_column: bool = True
    storage_options: Mapping[str, Any] | None = None

    @property
    def source(self) -> str | None:
        """The files; None for a column of the pool itself."""
        return ColumnSpec.parse(self.text).source if self.is_column else split_key(self.text)[0]

    def files(self) -> list[Location]:
        """Return the files named; an error names the option."""
        with reading(self):
            source = self.source
            if source is None:
                return []
            options = self.storage_options
            return locations(source, columns=self.is_column, storage_options=options)


@contextmanager
def reading(entry: Input) -> Iterator[None]:
    """Name the option and the file in any error of the block, which reads that input alone."""
    try:
        yield
    except InputError:
        raise
    except USER_ERRORS as error:
        raise InputError(_named(one_line(error), entry)) from error


@contextmanager
def using(inputs: Sequence[Input]) -> Iterator[None]:
    """Name the option and the file in errors of the block that name the argument or the file."""
    try:
        yield
    except InputError:
        raise
    except USER_ERRORS as error:
        text = one_line(error)
        about = [entry for entry in inputs if _begins(text, entry.argument)]
        about += [entry for entry in inputs if _mentions(text, entry)]
        if not about:
            raise
        raise InputError(_named(text, about[0])) from error


def _named(text: str, entry: Input) -> str:
    option, source = entry.option, entry.text
    if _begins(text, entry.argument):
        return f"{option} {source}{text[len(entry.argument) :]}"
    if text.startswith(_paths(entry)):
        return f"{option} {text}"
    return f"{option}: {text}" if _mentions(text, entry) else f"{option} {source}: {text}"


def _paths(entry: Input) -> tuple[str, ...]:
    """Return the path of a file as given, and the absolute one, as memory maps know it."""
    try:
        path = entry.source
    except ValueError:
        path = entry.text
    return () if path is None else (path, os.path.abspath(path))


def _begins(text: str, argument: str) -> bool:
    """Tell whether a message is about an argument, or its ids or values."""
    return re.match(rf"{argument}(?:\.ids|\.values)?(?=:| must )", text) is not None


def _mentions(text: str, entry: Input) -> bool:
    """Tell whether a message names the files; a name that may be a word has something after it."""
    for path in _paths(entry):
        after = r"(?![\w-]|\.\w)" if re.search(r"[./]", path) else "(?=[/:])"
        if re.search(rf"(?<![\w./-]){re.escape(path)}{after}", text):
            return True
    return False
