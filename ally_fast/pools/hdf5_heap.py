"""Heaps of texts in an HDF5 file that nobody vouches for."""

from __future__ import annotations

import os
import struct
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"GCOL\1"
_HEAD_BYTES = 16  # of a heap and of an object, however wide lengths are: both are padded to eight
_LEAST_BYTES = 4096
_SUPERBLOCK_BYTES = 28 + 3 * 8
# By version: where the widths of addresses and lengths are, and where the base and end addresses.
_SUPERBLOCKS = {0: (13, 24), 1: (13, 28), 2: (9, 12), 3: (9, 12)}
_FORMS = {2: "H", 4: "I", 8: "Q"}


class Hdf5Heap:
    """The texts of variable length that references in an HDF5 file name.

    The library follows damaged heaps into endless loops and unbounded memory, so they are read
    here: each heap once a call, within the file, and no more bytes of texts than the file has.

    Parameters
    ----------
    file : binary file
        Can seek.
    start : int
        Where the superblock is, and addresses count from: the size of the user block.

    Attributes
    ----------
    reference : np.dtype
        How a reference lies in the file: fields length, address and index.
    size : int
        Of the file, in bytes, as far as it is in use.

    Raises
    ------
    ValueError
        If the superblock is of no version that is known, or addresses or lengths of other widths
        than 2, 4 and 8 bytes.

    Notes
    -----
    HDF5 File Format Specification 3.0, II.A "Superblock" and III.E "Global Heap".
    """

    def __init__(self, file: IO[bytes], start: int) -> None:
        self._file, self._start = file, start
        self.size = file.seek(0, os.SEEK_END)
        head = self._read(0, _SUPERBLOCK_BYTES)
        if (version := head[8]) not in _SUPERBLOCKS:
            raise ValueError(f"has a superblock of version {version}, needs 0 to 3")
        widths, addresses = _SUPERBLOCKS[version]
        wide, long = head[widths : widths + 2]
        if wide not in _FORMS or long not in _FORMS:
            raise ValueError(f"has addresses of {wide} bytes, lengths of {long}; needs 2, 4 or 8")
        self._size_form = f"<{_FORMS[long]}"
        self._object = struct.Struct(f"<HHI{_FORMS[long]}")
        self.reference = np.dtype([("length", "<u4"), ("address", f"<u{wide}"), ("index", "<u4")])
        base, _, end = struct.unpack_from(f"<3{_FORMS[wide]}", head, addresses)
        self.size = min(self.size, start + end - base)

    def texts(self, references: NDArray[Any]) -> list[bytes]:
        """Return what an array of references names; of the null reference nothing.

        Raises
        ------
        ValueError
            If a heap, or a reference, is damaged.
        """
        if int(references["length"].sum(dtype=np.uint64)) > self.size:
            raise ValueError(f"damaged: declares more texts than a file of {self.size} bytes holds")
        is_null = (references["address"] == 0) & (references["length"] == 0)
        texts, end = [b""] * len(references), 0
        named = np.flatnonzero(~is_null)
        addresses, which = np.unique(references["address"][named], return_inverse=True)
        by_heap = np.split(
            named[np.argsort(which, kind="stable")], np.cumsum(np.bincount(which))[:-1]
        )
        for address, places in zip(addresses.tolist(), by_heap, strict=False):
            if address < end:
                raise ValueError(f"damaged: two heaps share byte {address}")
            content, objects = self._heap(address)
            end = address + len(content)
            for place, (length, _, index) in zip(
                places.tolist(), references[places].tolist(), strict=True
            ):
                lo, hi = objects.get(index, (0, -1))
                if hi - lo != length:
                    raise ValueError(f"damaged: the heap at byte {address} holds no text {index}")
                texts[place] = content[lo:hi]
        return texts

    def _heap(self, address: int) -> tuple[bytes, dict[int, tuple[int, int]]]:
        """Return the bytes of a heap, and where in them each of its objects lies."""
        size, head = 0, self._read(address, _HEAD_BYTES)
        if head.startswith(_SIGNATURE) and len(head) == _HEAD_BYTES:
            (size,) = struct.unpack_from(self._size_form, head, 8)
        if not _LEAST_BYTES <= size <= self.size - self._start - address:
            raise ValueError(f"damaged: no heap is at byte {address}")
        content, place, objects = self._read(address, size), _HEAD_BYTES, {}
        while place + _HEAD_BYTES <= len(content):
            index, _, _, length = self._object.unpack_from(content, place)
            lo = place + _HEAD_BYTES
            if index == 0:  # what is free: all the rest
                lo, length = place, max(length, _HEAD_BYTES)
            place = lo + -(-length // 8) * 8
            if place > len(content) or (index == 0 and place != len(content)):
                raise ValueError(f"damaged: an object ends beyond the heap at byte {address}")
            objects[index] = lo, lo + length
        objects.pop(0, None)
        return content, objects

    def _read(self, address: int, size: int) -> bytes:
        if address > self.size - self._start:  # which may be more than a place can be
            return b""
        self._file.seek(self._start + address)
        return self._file.read(size)
