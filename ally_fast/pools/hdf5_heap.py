"""Heaps of texts in an HDF5 file from an untrusted source."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.pools.hdf5_bytes import Hdf5Bytes

_SIGNATURE = b"GCOL\1"
_HEAD_BYTES = 16  # of a heap and of an object, for any width of lengths: both are padded to eight
_LEAST_BYTES = 4096


class Hdf5Heap:
    """The texts of variable length that references in an HDF5 file point to.

    On damaged heaps the library loops without end or takes unbounded memory, so this class reads
    them itself: each heap once per call, only within the file, and no more bytes of text than the
    file has.

    Parameters
    ----------
    file : Hdf5Bytes

    Attributes
    ----------
    reference : np.dtype
        The layout of a reference in the file: fields length, address and index.

    Notes
    -----
    HDF5 File Format Specification 3.0, III.E "Global Heap".
    """

    def __init__(self, file: Hdf5Bytes) -> None:
        self._file = file
        self.reference = np.dtype(
            [("length", "<u4"), ("address", f"<{file.address}"), ("index", "<u4")]
        )

    def texts(self, references: NDArray[Any]) -> list[bytes]:
        """Return the texts that an array of references points to; a null reference gives b"".

        Raises
        ------
        ValueError
            If a heap or a reference is damaged.
        """
        if int(references["length"].sum(dtype=np.uint64)) > self._file.end:
            raise ValueError("damaged: declares more texts than the file has bytes")
        is_null = (references["address"] == 0) & (references["length"] == 0)
        texts, end = [b""] * len(references), 0
        named = np.flatnonzero(~is_null)
        addresses, which = np.unique(references["address"][named], return_inverse=True)
        by_heap = np.split(
            named[np.argsort(which, kind="stable")], np.cumsum(np.bincount(which))[:-1]
        )
        for address, positions in zip(addresses.tolist(), by_heap, strict=False):
            if address < end:
                raise ValueError(f"damaged: two heaps share byte {address}")
            content, objects = self._heap(address)
            end = address + len(content)
            for position, (length, _, index) in zip(
                positions.tolist(), references[positions].tolist(), strict=True
            ):
                lo, hi = objects.get(index, (0, -1))
                if hi - lo != length:
                    raise ValueError(f"damaged: the heap at byte {address} holds no text {index}")
                texts[position] = content[lo:hi]
        return texts

    def _heap(self, address: int) -> tuple[bytes, dict[int, tuple[int, int]]]:
        """Return the bytes of a heap, and the place of each of its objects in them."""
        signature, _, size = self._file.unpack("5s3sL", address)
        if signature != _SIGNATURE or size < _LEAST_BYTES:
            raise ValueError(f"damaged: byte {address} holds no heap of texts")
        content, place, objects = self._file.read(address, size), _HEAD_BYTES, {}
        form = struct.Struct(f"<HHI{self._file.length}")
        while place + _HEAD_BYTES <= len(content):
            index, _, _, length = form.unpack_from(content, place)
            lo = place + _HEAD_BYTES
            if index == 0:  # the free space: all the rest
                lo, length = place, max(length, _HEAD_BYTES)
            place = lo + -(-length // 8) * 8
            if place > len(content) or (index == 0 and place != len(content)):
                raise ValueError(f"damaged: an object ends beyond the heap at byte {address}")
            objects[index] = lo, lo + length
        objects.pop(0, None)
        return content, objects
