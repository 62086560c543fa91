"""Columns of CSV files, read strictly: a field that is not plainly a number is an error."""

from __future__ import annotations

import csv
import encodings.utf_8_sig  # noqa: F401  (else imported while a file is opened: Ctrl-C may be lost)
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from itertools import islice
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.pools.location import Location, as_location
from ally_fast.pools.names import missing, quoted
from ally_fast.pools.row_count import check_rows

_BLOCK_FIELDS = 1 << 11
_LONGEST_LINE = 1 << 20
_EXACT = 1 << 53  # an integer below it is never rounded to float64
_NEWLINE = re.compile(r"\r\n|\r|\n")
_INTEGER = re.compile(r"[ \t]*[+-]?[0-9]+[ \t]*")
# `int` and `float` only see texts of these characters. They would also accept digits of other
# scripts, "1_0" and control characters.
_OF_NUMBERS = b"0123456789+-.eE \tnaifytNAIFYT,"
_WORDS_FOR_MISSING = {"na", "n/a", "#n/a", "<na>", "null", "none", "nil", "missing"}


def csv_column(
    source: Location | str,
    key: str | None,
    *,
    n: int | None = None,
    most: int | None = None,
    allow_null: bool = False,
) -> NDArray[Any]:
    """Return a column of numbers of a CSV file in UTF-8, with commas and column names on line 1.

    Parameters
    ----------
    source : Location or str
        The file.
    key : str or None
        The column's name; None: the only column.
    n, most : int, optional
        The number of rows needed, or the largest number allowed. Reading stops at the first row
        too many.
    allow_null : bool
        Read an empty field as NaN.

    Returns
    -------
    ndarray of int64 or float64, shape (n,)
        int64 if every number is an integer in its range, otherwise float64.

    Raises
    ------
    ValueError
        The message names the file and the line. If line 1 does not name the column. If another
        line has more or fewer fields than line 1, or is blank; blank lines at the end are allowed.
        If a field of the column is not a decimal number, ``nan`` or ``inf`` (spaces and tabs
        around it are allowed), is beyond float64, or is an integer that float64 would round. If
        the file is not UTF-8, holds a NUL, or has a line of a million characters.
    """
    with _open(source) as lines:
        return _column(lines, key, n, most, allow_null)


def csv_texts(source: Location | str, key: str | None) -> Iterator[list[str]]:
    """Yield the fields of a column as texts, in lists of a few thousand; see `csv_column`."""
    with _open(source) as lines:
        header, place = _header(lines, key)
        for block, _ in _blocks(lines, len(header)):
            yield [fields[place] for fields in block]


def csv_names(source: Location | str) -> list[str]:
    """Return the column names on line 1."""
    with _open(source) as lines:
        return list(next(lines, []))


@contextmanager
def _open(source: Location | str) -> Iterator[Any]:
    """Yield a reader of the file's lines, split into fields; errors name the file and the line."""
    location = as_location(source)
    with TextIOWrapper(
        location.open(), newline="", encoding="utf-8-sig", errors="surrogateescape"
    ) as file:
        lines = csv.reader(_checked(file), strict=True)
        try:
            yield lines
        except csv.Error as error:
            raise ValueError(f"{location.name}: line {lines.line_num}: {error}") from None
        except ValueError as error:
            raise ValueError(f"{location.name}: {error}") from None


def _checked(file: IO[str]) -> Iterator[str]:
    """Yield the lines of a file; each is checked to be text of bounded length."""
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE:
            raise ValueError(f"line {number} has {_LONGEST_LINE} characters or more")
        if "\0" in line:
            raise ValueError(f"line {number} holds a NUL: not a text file of UTF-8")
        try:
            line.encode()  # refuses the surrogates that stand for bytes that are not UTF-8
        except UnicodeEncodeError:
            raise ValueError(
                f"line {number} is not UTF-8: save the file in that encoding"
            ) from None
        yield line


def _column(
    lines: Any, key: str | None, n: int | None, most: int | None, allow_null: bool
) -> NDArray[Any]:
    header, place = _header(lines, key)
    numbers = _Numbers(header[place], allow_null)
    limit, needed = (n, str(n)) if n is not None else (most, f"at most {most}")
    for block, line_of in _blocks(lines, len(header)):
        numbers.add([fields[place] for fields in block], line_of)
        if limit is not None and numbers.count > limit:
            raise ValueError(f"holds more than {limit} rows, needs {needed}")
    check_rows(numbers.count, n, most)
    return numbers.column()


def _header(lines: Any, key: str | None) -> tuple[list[str], int]:
    """Read line 1: return the column names, and the place of the requested column."""
    header: list[str] = next(lines, [])
    if not lines.line_num:
        raise ValueError("is empty, needs names of columns on line 1")
    return header, _place(key, header)


def _place(key: str | None, header: list[str]) -> int:
    """Return the place of the column in a line; refuse a line 1 that may hold numbers."""
    if not any(map(_can_be_name, header)):
        content = f"it begins with {quoted(header[0])}" if header else "it is blank"
        raise ValueError(f"line 1 must hold names of columns; {content}")
    if key is None and len(header) == 1:
        return 0
    if key is None or key not in header:
        raise ValueError(missing(key, header, "column"))
    if not _can_be_name(key):
        raise ValueError(
            f"line 1: {quoted(key)} reads as a value, not as the name of a column; add a line of "
            "names, or rename the column"
        )
    if header.count(key) > 1:
        raise ValueError(f"line 1: {header.count(key)} columns are named {quoted(key)}")
    return header.index(key)


def _can_be_name(text: str) -> bool:
    """Tell whether a field of line 1 is neither a number nor a word for a missing one."""
    try:
        float(text)
    except ValueError:
        word = text.strip().lower()
        return word not in _WORDS_FOR_MISSING and any(map(str.isalpha, word))
    return False


def _blocks(lines: Any, width: int) -> Iterator[tuple[list[list[str]], Callable[[int], int]]]:
    """Yield blocks of lines of `width` fields, each with a function that numbers its lines."""
    blank = 0  # the first of the blank lines just read
    before = lines.line_num
    while block := list(islice(lines, max(1, _BLOCK_FIELDS // width))):

        def line_of(position: int, before: int = before, block: list[list[str]] = block) -> int:
            return before + 1 + sum(map(_height, block[:position]))

        if blank or set(map(len, block)) != {width}:
            for position, fields in enumerate(block):
                if not fields:
                    blank = blank or line_of(position)
                elif blank:
                    raise ValueError(f"line {blank} is blank, but more lines follow")
                elif len(fields) != width:
                    raise ValueError(
                        f"line {line_of(position)} has {len(fields)} fields, line 1 has {width}"
                    )
            block = [fields for fields in block if fields]
        before = lines.line_num
        yield block, line_of


def _height(fields: list[str]) -> int:
    """Return how many lines of the file these fields take; quoted fields may hold line ends."""
    return 1 + sum(len(_NEWLINE.findall(field)) for field in fields)


class _Numbers:
    """The numbers of a column: int64 while all are integers in its range, then float64."""

    def __init__(self, name: str, allow_null: bool) -> None:
        self.count = 0
        self._name = name
        self._allow_null = allow_null
        self._parts: list[NDArray[Any]] = []
        self._rounded: str | None = None  # says which integer float64 would round

    def add(self, texts: Sequence[str], line_of: Callable[[int], int]) -> None:
        """Add numbers; `line_of` gives the line of a position, for errors."""
        if self._allow_null:
            texts = [text or "nan" for text in texts]
        part = self._converted(texts, line_of)
        for position in np.flatnonzero(~((part < _EXACT) & (part > -_EXACT))).tolist():
            text, value = texts[position], part[position]
            if np.isinf(value) and "n" not in text.lower():
                raise self._error(line_of(position), text, "is beyond float64")
            if self._rounded is None and _would_be_rounded(text):
                self._rounded = str(
                    self._error(
                        line_of(position), text, "would be rounded, as not all values are int64"
                    )
                )
        self._parts.append(part)
        self.count += len(part)

    def column(self) -> NDArray[Any]:
        """Return all added numbers in one array."""
        if self._rounded and any(part.dtype == np.float64 for part in self._parts):
            raise ValueError(self._rounded)
        return np.concatenate(self._parts) if self._parts else np.empty(0, np.int64)

    def _converted(self, texts: Sequence[str], line_of: Callable[[int], int]) -> NDArray[Any]:
        if _plain(",".join(texts)):
            for kind, dtype in ((int, np.int64), (float, np.float64)):
                try:
                    return np.fromiter(map(kind, texts), dtype, len(texts))
                except (ValueError, OverflowError):
                    continue
        bad = next(place for place, text in enumerate(texts) if not _is_number(text))
        raise self._error(line_of(bad), texts[bad], "is not a number")

    def _error(self, line: int, text: str, problem: str) -> ValueError:
        return ValueError(f"line {line}: column {quoted(self._name)}: {quoted(text)} {problem}")


def _plain(text: str) -> bool:
    return text.isascii() and not text.encode().translate(None, _OF_NUMBERS)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return _plain(text) and "," not in text


def _would_be_rounded(text: str) -> bool:
    """Tell whether a number is an integer that float64 cannot hold exactly."""
    if not _INTEGER.fullmatch(text):
        return False
    digits = text.strip(" \t+-").lstrip("0")
    return int(float(digits)) != int(digits)
