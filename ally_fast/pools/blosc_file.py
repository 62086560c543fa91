"""Files of Zarr that hold Blosc's buffers: their lengths, which the library trusts."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from ally_fast.pools.location import Location

_HEADER_BYTES = 16
_CHECKSUM_BYTES = 4
_ABSENT = (1 << 64) - 1


@dataclass(frozen=True)
class BloscFile:
    """Where Blosc's buffers lie in a file.

    Attributes
    ----------
    buffers : int or None
        How many there are, with an index of them (Zarr's shards); None: one, without.
    index_first : bool
        Whether the index stands at the beginning.
    trailing : int
        Bytes of a checksum after each buffer.
    """

    buffers: int | None = None
    index_first: bool = False
    trailing: int = 0

    def check(self, location: Location) -> None:
        """Raise ValueError unless each buffer is as long as its own header says.

        The library decodes as many bytes as the header says, be they in the file or not.
        """
        with location.open() as file:
            size = file.seek(0, os.SEEK_END)
            for start, length in self._places(file, size):
                header = b""
                if start + length <= size:
                    file.seek(start)
                    header = file.read(_HEADER_BYTES)
                declared = struct.unpack_from("<I", header, 12)[0] if len(header) == 16 else None
                if declared != length - self.trailing:
                    raise ValueError(f"{location.name}: is cut off, or damaged")

    def _places(self, file: IO[bytes], size: int) -> Iterator[tuple[int, int]]:
        if self.buffers is None:
            yield 0, size
            return
        entries = 16 * self.buffers
        file.seek(0 if self.index_first else max(0, size - entries - _CHECKSUM_BYTES))
        index = file.read(entries)
        for start, length in struct.iter_unpack("<QQ", index[: len(index) // 16 * 16]):
            if (start, length) != (_ABSENT, _ABSENT):
                yield start, length


def blosc_file(codecs: Sequence[Any]) -> BloscFile | None:
    """Return what these codecs, in order, make of a file; None if Blosc is none of them.

    Raises
    ------
    ValueError
        If one runs code that it finds in the file, or Blosc's buffers cannot be found.
    """
    names = [str(codec).lower().rpartition(".")[2] for codec in codecs]
    if any("pickle" in name for name in names):
        raise ValueError("its values are pickled, and a pickle runs code; write numbers or texts")
    if "blosc" not in names:
        return None
    after = names[names.index("blosc") + 1 :]
    if after not in ([], ["crc32c"]):
        raise ValueError(f"it is compressed by {after[-1]} on top of blosc; needs blosc alone")
    return BloscFile(trailing=_CHECKSUM_BYTES * len(after))


def blosc_file_of_shards(configuration: Any, shape: Sequence[int]) -> BloscFile | None:
    """Return the same for a file that is a shard of `shape`."""
    inner = blosc_file([codec["name"] for codec in configuration["codecs"]])
    if inner is None:
        return None
    index = [codec["name"] for codec in configuration["index_codecs"]]
    if index != ["bytes", "crc32c"]:
        raise ValueError("the index of its shards is of another form than bytes, crc32c")
    chunks = configuration["chunk_shape"]
    buffers = math.prod(-(-length // chunk) for length, chunk in zip(shape, chunks, strict=True))
    first = configuration.get("index_location", "end") == "start"
    return BloscFile(buffers, first, inner.trailing)
