"""Input files of a command. An error about an input names its option and its file once."""

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
    """An input that the user named.

    Attributes
    ----------
    argument : str
        The argument of `ally_fast.select` that it fills.
    option : str
        The option that the user wrote.
    text : str
        Its value: files, or a column spec.
    is_column : bool
        Whether `text` is a column spec.
    storage_options : mapping or None
        Options for the file system of a URL.
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
        """Return the named files; an error names the option."""
        with reading(self):
            source = self.source
            if source is None:
                return []
            options = self.storage_options
            return locations(source, columns=self.is_column, storage_options=options)


@contextmanager
def reading(entry: Input) -> Iterator[None]:
    """Name the option and the file in any error of the block, which must read only that input."""
    try:
        yield
    except InputError:
        raise
    except USER_ERRORS as error:
        raise InputError(_named(one_line(error), entry)) from error


@contextmanager
def using(inputs: Sequence[Input]) -> Iterator[None]:
    """Name the option and the file in those errors of the block that name argument or file."""
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
    """Return the path of the file as written, and its absolute path, which memory maps report."""
    try:
        path = entry.source
    except ValueError:
        path = entry.text
    return () if path is None else (path, os.path.abspath(path))


def _begins(text: str, argument: str) -> bool:
    """Tell whether a message is about an argument, or its ids or values."""
    return re.match(rf"{argument}(?:\.ids|\.values)?(?=:| must )", text) is not None


def _mentions(text: str, entry: Input) -> bool:
    """Tell whether a message names the files. A name that could be a word needs / or : after it."""
    for path in _paths(entry):
        after = r"(?![\w-]|\.\w)" if re.search(r"[./]", path) else "(?=[/:])"
        if re.search(rf"(?<![\w./-]){re.escape(path)}{after}", text):
            return True
    return False
