"""The bytes of an HDF5 file, by address."""

from __future__ import annotations

import os
import struct
from typing import IO, Any

_SUPERBLOCK_BYTES = 28 + 3 * 8
# By version: the offsets of the widths of addresses and lengths, and of the base and end addresses.
_SUPERBLOCKS = {0: (13, 24), 1: (13, 28), 2: (9, 12), 3: (9, 12)}
_FORMS = {2: "H", 4: "I", 8: "Q"}


class Hdf5Bytes:
    """The used bytes of an HDF5 file.

    Parameters
    ----------
    file : binary file
        It can seek.
    start : int
        The place of the superblock, from which addresses count: the size of the user block.

    Attributes
    ----------
    end : int
        The address after the last used byte.
    address, length : str
        The `struct` codes of addresses and lengths: "H", "I" or "Q".
    nowhere : int
        The address that means "none".
    root : int or None
        The address of the root's entry, which only superblocks of versions 0 and 1 have.

    Raises
    ------
    ValueError
        If the superblock has an unknown version, or if addresses or lengths do not have 2, 4 or 8
        bytes.

    Notes
    -----
    HDF5 File Format Specification 3.0, II.A "Superblock".
    """

    def __init__(self, file: IO[bytes], start: int) -> None:
        self._file, self.start = file, start
        self.end = size = file.seek(0, os.SEEK_END) - start
        head = self.read(0, min(size, _SUPERBLOCK_BYTES))
        if (version := head[8]) not in _SUPERBLOCKS:
            raise ValueError(f"has a superblock of version {version}, needs 0 to 3")
        widths, addresses = _SUPERBLOCKS[version]
        wide, long = head[widths : widths + 2]
        if wide not in _FORMS or long not in _FORMS:
            raise ValueError(f"has addresses of {wide} bytes, lengths of {long}; needs 2, 4 or 8")
        self.address, self.length = _FORMS[wide], _FORMS[long]
        self.nowhere = (1 << 8 * wide) - 1
        base, _, end = struct.unpack_from(f"<3{self.address}", head, addresses)
        self.end = min(size, end - base)
        self.root = addresses + 4 * wide if version < 2 else None

    def read(self, address: int, size: int) -> bytes:
        """Return `size` bytes; ValueError if they are not all in the file."""
        content = b""
        if 0 <= address <= self.end - size:  # otherwise seek may refuse the place
            self._file.seek(self.start + address)
            content = self._file.read(size)
        if len(content) != size:
            raise ValueError(
                f"damaged: names {size} bytes at byte {address}, which is beyond the end"
            )
        return content

    def unpack(self, form: str, address: int) -> tuple[Any, ...]:
        """Unpack values at an address as `struct` does; in `form`, A is an address, L a length."""
        return struct.unpack(self._form(form), self.read(address, self.size_of(form)))

    def size_of(self, form: str) -> int:
        """Return the number of bytes of a form."""
        return struct.calcsize(self._form(form))

    def _form(self, form: str) -> str:
        return "<" + form.replace("A", self.address).replace("L", self.length)
