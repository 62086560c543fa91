"""The files that hold the chunks of a Zarr array; the library trusts the lengths in them."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any

from ally_fast._optional import require
from ally_fast.pools.foreign_errors import foreign_errors
from ally_fast.pools.location import Location

_CHECKSUM_BYTES = 4
_BLOSC_HEADER_BYTES = 16
_TEXTS = {"vlen-utf8", "vlen-bytes"}
_ABSENT = ((1 << 64) - 1,) * 2


@dataclass(frozen=True)
class ChunkFile:
    """The form of the files that hold the chunks of an array.

    Attributes
    ----------
    is_blosc : bool
        Whether a chunk is a Blosc buffer.
    trailing : int
        Bytes of the checksum after a chunk.
    chunks : int or None
        Number of chunks in a file with an index of them (a shard). None: one chunk, no index.
    index_checksum : int
        Bytes of the checksum after the index.
    index_first : bool
        Whether the index comes first in the file.
    texts : int or None
        Number of texts in a chunk; their codec stores it too. None: the chunk holds numbers.
    packing : tuple of str
        The codecs that encoded texts then pass through, in order.
    """

    is_blosc: bool
    trailing: int
    chunks: int | None = None
    index_checksum: int = 0
    index_first: bool = False
    texts: int | None = None
    packing: tuple[str, ...] = ()

    def check(self, location: Location, most_bytes: int) -> None:
        """Raise ValueError unless the file holds what it declares; no chunk exceeds `most_bytes`.

        The library takes an empty file, or a chunk beyond the end of its file, for a chunk that was
        never written. It decodes as many bytes as a Blosc buffer declares, even if they are
        missing, and it allocates room for as many texts as a chunk declares.
        """
        with location.open() as file:
            size = file.seek(0, os.SEEK_END)
            for start, length in self._places(file, size):
                is_inside = length and start + length <= size
                if not is_inside or not self._is_whole(file, start, length, most_bytes):
                    raise ValueError(f"{location.name}: is cut off, or damaged")
                if self.texts is not None:
                    file.seek(start)
                    with foreign_errors(location.name, "its texts"):
                        self._check_texts(file.read(length))

    def _places(self, file: IO[bytes], size: int) -> Iterator[tuple[int, int]]:
        if self.chunks is None:
            yield 0, size
            return
        index_bytes = 16 * self.chunks
        file.seek(0 if self.index_first else max(0, size - index_bytes - self.index_checksum))
        index = file.read(index_bytes)
        if len(index) < index_bytes:
            yield 0, 0
            return
        yield from (place for place in struct.iter_unpack("<QQ", index) if place != _ABSENT)

    def _check_texts(self, content: bytes) -> None:
        numcodecs = require("numcodecs", "zarr")
        for codec in reversed(self.packing):
            if codec == "crc32c":
                content = content[:-_CHECKSUM_BYTES]
            else:
                content = bytes(numcodecs.get_codec({"id": codec}).decode(content))
        if content[:4] != struct.pack("<I", self.texts):
            raise ValueError(f"a chunk does not hold the {self.texts} that the array declares")

    def _is_whole(self, file: IO[bytes], start: int, length: int, most_bytes: int) -> bool:
        if not self.is_blosc:
            return True
        file.seek(start)
        header = file.read(_BLOSC_HEADER_BYTES)
        if len(header) < _BLOSC_HEADER_BYTES:
            return False
        unpacked, _, packed = struct.unpack_from("<III", header, 4)
        return bool(unpacked <= most_bytes and packed == length - self.trailing)


def chunk_file(codecs: Sequence[Any], shape: Sequence[int]) -> ChunkFile:
    """Return the form of the files that named codecs, in order, make of a chunk of some shape.

    Raises
    ------
    ValueError
        If a codec runs code from the file, or hides the Blosc buffers.
    """
    names = [str(codec).lower().rpartition(".")[2] for codec in codecs]
    if any("pickle" in name for name in names):
        raise ValueError("its values are pickled, and a pickle runs code; write numbers or texts")
    texts: int | None = None
    packing: tuple[str, ...] = ()
    if of_texts := _TEXTS.intersection(names):
        texts, packing = math.prod(shape), tuple(names[names.index(of_texts.pop()) + 1 :])
    if "blosc" not in names:
        return ChunkFile(False, 0, texts=texts, packing=packing)
    after = names[names.index("blosc") + 1 :]
    if after not in ([], ["crc32c"]):
        raise ValueError(f"it is compressed by {after[-1]} on top of blosc; needs blosc alone")
    return ChunkFile(True, _CHECKSUM_BYTES * len(after), texts=texts, packing=packing)


def shard_file(sharding: Any, shape: Sequence[int]) -> ChunkFile:
    """Return the form of shards of some shape, from the configuration of their codec."""
    names = [codec["name"] for codec in sharding["codecs"]]
    inner = chunk_file(names, sharding["chunk_shape"])
    index = [codec["name"] for codec in sharding["index_codecs"]]
    if "sharding_indexed" in names or index not in (["bytes"], ["bytes", "crc32c"]):
        raise ValueError("it has nested shards, or an index coded by more than bytes and crc32c")
    chunks = math.prod(
        -(-length // chunk) for length, chunk in zip(shape, sharding["chunk_shape"], strict=True)
    )
    index_first = sharding.get("index_location", "end") == "start"
    checksum = _CHECKSUM_BYTES * (len(index) - 1)
    return replace(inner, chunks=chunks, index_checksum=checksum, index_first=index_first)
