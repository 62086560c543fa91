"""Arrays in ``.npy`` and ``.npz`` files; a header is checked before its values are read."""

from __future__ import annotations

import math
import re
import struct
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.arrays import BFLOAT16
from ally_fast.pools.location import Location, as_location
from ally_fast.pools.mapped_file import mapped
from ally_fast.pools.names import missing, quoted
from ally_fast.pools.row_count import check_rows

_NOT_ONE = "not a NumPy file of numbers"
_MAGIC = b"\x93NUMPY"
_ARCHIVES = (b"PK\3\4", b"PK\5\6")  # the latter is empty
_LENGTH_FORMATS = {b"\1\0": "<H", b"\2\0": "<I", b"\3\0": "<I"}  # by version
_LONGEST_HEADER = 10_000  # NumPy has the same limit
_REASON_CHARACTERS = 200
_PIECE_BYTES = 1 << 20
_ENTRY = re.compile(
    r"""[ \n]*(['"])(?P<name>\w+)\1[ ]*:[ ]*"""
    r"""(?:(?P<mark>['"])(?P<text>[^'"\\]*)(?P=mark)|(?P<truth>True|False)|\((?P<shape>[^()]*)\))"""
    r"""[ ]*(?:,|$)""",
    re.ASCII,
)
_LENGTH = r" *(?:0|[1-9]\d{0,18})L? *"  # Python 2 wrote L
_SHAPE = re.compile(rf" *|{_LENGTH},|{_LENGTH}(?:,{_LENGTH})+,? *", re.ASCII)
_NUMBERS = re.compile(r"[<>=|]?(?:b1|[iu][1248]|f[248])|bool|u?int(?:8|16|32|64)|float(?:16|32|64)")
_BFLOATS = re.compile(r"[<|]V2|bfloat16")  # as ml_dtypes writes it
_TEXTS = re.compile(r"[<>|][SU][1-9]\d{0,8}")


@dataclass(frozen=True)
class Header:
    """The contents of an ``.npy`` header; `length` is the header's own length in bytes."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran_order: bool
    length: int

    @property
    def total_bytes(self) -> int:
        """Return the length of the whole file."""
        return self.length + math.prod(self.shape) * self.dtype.itemsize


def numpy_array(
    source: Location | str,
    key: str | None,
    *,
    ndim: int | None = None,
    n: int | None = None,
    most: int | None = None,
    texts: bool = False,
) -> NDArray[Any]:
    """Return an array of numbers or truth values; a ``.npy`` file is memory-mapped.

    Parameters
    ----------
    source : Location or str
        A ``.npy`` file; any other file is read as ``.npz``. A file behind a URL is not mapped.
    key : str or None
        The name of an array in an ``.npz``; None: the only one.
    ndim, n, most : int, optional
        The numbers of dimensions and rows needed, and the largest number of rows allowed. They are
        compared with what the file declares before any value is read.
    texts : bool
        Whether texts of fixed width are also allowed.

    Returns
    -------
    ndarray
        bfloat16 comes as `arrays.BFLOAT16`, which `as_array` knows.

    Raises
    ------
    ValueError
        If the file is damaged, holds other values than real numbers of at most 8 bytes, is longer
        or shorter than it declares, or lacks the key. The message names the file.
    """
    location = as_location(source)
    with named(location.name), location.open() as file:
        if location.extension == ".npy":
            if key is not None:
                raise ValueError(f"an .npy file has no keys; got {quoted(key)}")
            size = location.size()
            if location.filesystem is None:
                return _mapped(file, size, ndim, n, most, texts)
            header = read_header(file, size, texts)
            _check_shape(header.shape, ndim, n, most)
            return _read_data(file, header)
        if file.read(4) not in _ARCHIVES:
            raise ValueError(f"{_NOT_ONE}: it does not begin like an .npz")
        with zipfile.ZipFile(file) as archive:
            member = _member(archive, key)
            with archive.open(member) as stream:
                header = read_header(stream, member.file_size, texts)
                _check_shape(header.shape, ndim, n, most)
                return _read_data(stream, header)


def numpy_keys(location: Location) -> list[str]:
    """Return the names of the arrays in an ``.npz``; raises the errors of `numpy_array`."""
    with named(location.name), location.open() as file, zipfile.ZipFile(file) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


@contextmanager
def named(path: str) -> Iterator[None]:
    """Add the file's name to every error that its content can cause."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {_reason(error)}") from error
    except MemoryError as error:
        raise MemoryError(f"{path}: {_reason(error)}") from error
    except Exception as error:  # a dozen classes, depending on the damage and the compression
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise ValueError(f"{path}: {_NOT_ONE}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if len(text) <= _REASON_CHARACTERS else f"{text[:_REASON_CHARACTERS]}..."


def _member(archive: zipfile.ZipFile, key: str | None) -> zipfile.ZipInfo:
    members = archive.infolist()
    keys = [member.filename.removesuffix(".npy") for member in members]
    if key is None and len(members) == 1:
        key = keys[0]
    if key is None or key not in keys:
        raise ValueError(missing(key, keys, "key"))
    if keys.count(key) > 1:
        raise ValueError(f"{keys.count(key)} of its arrays have the key {quoted(key)}")
    return members[keys.index(key)]


def read_header(file: IO[bytes], file_bytes: int, texts: bool) -> Header:
    """Read the header of an array in a file or archive member of `file_bytes` bytes."""
    start = file.read(8)
    size_format = _LENGTH_FORMATS.get(start[6:])
    if start[:6] != _MAGIC or size_format is None:
        raise ValueError(f"{_NOT_ONE}: it does not begin like an .npy")
    size_bytes = file.read(struct.calcsize(size_format))
    (text_bytes,) = struct.unpack(size_format, size_bytes)
    if text_bytes > _LONGEST_HEADER:
        raise ValueError(f"{_NOT_ONE}: its header of {text_bytes} bytes is too long")
    text = file.read(text_bytes).decode("ascii")
    dtype, shape, fortran_order = _parse_header(text, texts)
    header = Header(dtype, shape, fortran_order, 8 + len(size_bytes) + text_bytes)
    if math.prod(max(1, length) for length in shape) * dtype.itemsize > sys.maxsize:
        raise ValueError(f"{_NOT_ONE}: it declares too many values")
    if header.total_bytes != file_bytes:
        raise ValueError(
            f"{_NOT_ONE}: it declares {header.total_bytes} bytes and holds {file_bytes}"
        )
    return header


def _parse_header(text: str, texts: bool) -> tuple[np.dtype[Any], tuple[int, ...], bool]:
    """Parse the one form of Python dictionary that describes an array of plain numbers."""
    entries: dict[str, re.Match[str]] = {}
    text = text.strip(" \n")
    inner, place = text[1:-1].rstrip(" \n"), 0
    while place < len(inner) and (entry := _ENTRY.match(inner, place)):
        entries[entry["name"]] = entry
        place = entry.end()
    complete = text[:1] == "{" and text[-1:] == "}" and place == len(inner)
    if not complete or set(entries) != {"descr", "fortran_order", "shape"}:
        raise ValueError(f"{_NOT_ONE}: its header describes no array")
    descr, shape = entries["descr"]["text"], entries["shape"]["shape"]
    truth = entries["fortran_order"]["truth"]
    if descr is None or shape is None or truth is None or not _SHAPE.fullmatch(shape):
        raise ValueError(f"{_NOT_ONE}: its header describes no array")
    bfloat16 = _BFLOATS.fullmatch(descr)
    if not (bfloat16 or _NUMBERS.fullmatch(descr) or (texts and _TEXTS.fullmatch(descr))):
        raise ValueError(f"{_NOT_ONE}: it holds {quoted(descr)}, needs real numbers up to 8 bytes")
    lengths = [int(length.strip(" L")) for length in shape.split(",") if length.strip()]
    dtype = BFLOAT16 if bfloat16 else np.dtype(descr)
    return dtype, tuple(lengths), truth == "True"


def _check_shape(shape: tuple[int, ...], ndim: int | None, n: int | None, most: int | None) -> None:
    if ndim is not None and len(shape) != ndim:
        needed = "one value per row" if ndim == 1 else "one row of values per example"
        raise ValueError(f"need {needed}, got shape {shape}")
    if shape:
        check_rows(shape[0], n, most)


def _mapped(
    file: IO[bytes], size: int, ndim: int | None, n: int | None, most: int | None, texts: bool
) -> NDArray[Any]:
    header = read_header(file, size, texts)
    _check_shape(header.shape, ndim, n, most)
    order: Any = "F" if header.fortran_order else "C"
    return mapped(file, header.dtype, header.length, header.shape, order)


def _read_data(stream: IO[bytes], header: Header) -> NDArray[Any]:
    flat = np.empty(math.prod(header.shape), header.dtype)
    left = flat.view(np.uint8)
    while len(left):
        piece = stream.read(min(len(left), _PIECE_BYTES))
        if not piece:
            raise ValueError(f"{_NOT_ONE}: {len(left)} bytes are missing at its end")
        left[: len(piece)] = np.frombuffer(piece, np.uint8)
        left = left[len(piece) :]
    return flat.reshape(header.shape, order="F" if header.fortran_order else "C")
