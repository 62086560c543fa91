"""Find the record batches of an Arrow IPC file without reading their values."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_FILE_MAGIC = b"ARROW1\0\0"
_LONGEST_METADATA = 1 << 28
_KINDS = {1: "schema", 2: "dictionary", 3: "rows"}
# The largest compression ratio of a buffer, by codec: LZ4 documents it; Zstandard can store a block
# of 128 KiB equal bytes in four.
_MOST_PACKED = {0: 255, 1: 1 << 15}
_SPARE_BYTES = 1 << 16

Read = Callable[[int, int], bytes]


@dataclass(frozen=True)
class ArrowMessage:
    """One message: the schema, a dictionary, or a record batch.

    Attributes
    ----------
    kind : "schema", "dictionary" or "rows"
    start, end : int
        The message's first byte, and the byte after its last.
    rows : int
        Number of rows of a record batch.
    is_packed : bool
        Whether a record batch or a dictionary is compressed.
    begin : int
        The byte where the header ends and the values begin.
    buffers : tuple of (int, int)
        Offsets (from `begin`) and lengths of the compressed buffers.
    codec : int
    is_big_endian : bool
        Whether a schema says that the most significant byte comes first.
    """

    kind: str
    start: int
    end: int
    rows: int = 0
    is_packed: bool = False
    begin: int = 0
    buffers: tuple[tuple[int, int], ...] = ()
    codec: int = 0
    is_big_endian: bool = False

    def check_packed(self, read: Read) -> None:
        """Raise ValueError if a compressed buffer declares more than its bytes can hold.

        The library allocates as much as a buffer declares.
        """
        for place, length in self.buffers:
            if length <= 0:
                continue
            if place < 0 or length < 8 or self.begin + place + length > self.end:
                raise ValueError("its buffers lie beyond its end")
            start = self.begin + place
            (declared,) = struct.unpack("<q", read(start, start + 8))
            most = length * _MOST_PACKED.get(self.codec, 1) + _SPARE_BYTES
            if not -1 <= declared <= most:
                raise ValueError(f"declares {declared} bytes in {length} compressed bytes")


def arrow_messages(read: Read, size: int) -> Iterator[ArrowMessage]:
    """Yield the messages of a file of `size` bytes, in the file format or the stream format.

    The file format is the stream format between a magic and a footer.

    Parameters
    ----------
    read : callable
        Returns the bytes from one offset to another.

    Raises
    ------
    ValueError
        If the file has another format, or is incomplete.
    """
    is_file = read(0, min(8, size)) == _FILE_MAGIC
    start = 8 if is_file else 0
    while True:
        if start + 8 > size:
            raise ValueError("it has no end mark: it was cut off, or is still being written")
        marker, length = struct.unpack("<Ii", read(start, start + 8))
        if marker != 0xFFFFFFFF or not 0 <= length <= _LONGEST_METADATA:
            raise ValueError(f"there is no message at byte {start}")
        begin = start + 8 + length
        if not length:
            break
        if begin > size:
            raise ValueError("it is cut off")
        message = _message(read(start + 8, begin), start, begin)
        if message.end > size:
            raise ValueError("it is cut off")
        yield message
        start = message.end
    if not is_file and begin != size:
        raise ValueError(f"it goes on for {size - begin} bytes after its end mark")


def read_footer(read: Read, size: int) -> tuple[bool, list[tuple[int, int]]]:
    """Return the byte order and the record batches that the footer of the file format lists.

    Returns
    -------
    bool
        Whether the most significant byte comes first.
    list of (int, int)
        The bytes where each record batch begins and ends.

    Raises
    ------
    ValueError
        If the footer is damaged.
    """
    try:
        (length,) = struct.unpack("<i", read(size - 10, size - 6))
        if not 0 < length <= size - 18:
            raise ValueError
        content = read(size - 10 - length, size - 10)
        footer = _Table(content, struct.unpack_from("<I", content)[0])
        is_big_endian = footer.table(1).number(0, "h") != 0
        blocks = footer.structures(3, "qixxxxq")
    except (struct.error, ValueError):
        raise ValueError("its footer is damaged") from None
    return is_big_endian, [(start, start + header + body) for start, header, body in blocks]


def _message(metadata: bytes, start: int, begin: int) -> ArrowMessage:
    """Read the header of a message; it is a flatbuffer."""
    try:
        root = _Table(metadata, struct.unpack_from("<I", metadata)[0])
        kind = _KINDS[root.number(1, "B")]
        body = root.number(3, "q")
        if body < 0:
            raise ValueError
        if kind == "schema":
            is_big_endian = root.table(2).number(0, "h") != 0
            return ArrowMessage(kind, start, begin + body, is_big_endian=is_big_endian)
        header = root.table(2)
        if kind == "dictionary":
            header = header.table(1)
        rows = header.number(0, "q")
        if rows < 0:
            raise ValueError
        if not header.holds(3):
            return ArrowMessage(kind, start, begin + body, rows)
        buffers, codec = header.structures(2, "qq"), header.table(3).number(0, "b")
        return ArrowMessage(kind, start, begin + body, rows, True, begin, tuple(buffers), codec)
    except (struct.error, KeyError, ValueError):
        raise ValueError(f"the message at byte {start} is damaged") from None


class _Table:
    """A table in a flatbuffer, which finds its fields through a list of 16-bit offsets."""

    def __init__(self, content: bytes, place: int) -> None:
        self._content, self._place = content, place
        self._offsets = place - self._at("i", place)
        if self._offsets < 0:
            raise ValueError
        self._bytes = self._at("H", self._offsets)

    def holds(self, field: int) -> bool:
        return self._offset(field) != 0

    def number(self, field: int, form: str) -> int:
        offset = self._offset(field)
        return self._at(form, self._place + offset) if offset else 0

    def table(self, field: int) -> _Table:
        offset = self._offset(field)
        if not offset:
            raise ValueError
        place = self._place + offset
        return _Table(self._content, place + self._at("I", place))

    def structures(self, field: int, form: str) -> list[Any]:
        """Return a vector of structures."""
        offset = self._offset(field)
        if not offset:
            return []
        place = self._place + offset
        place += self._at("I", place)
        end = place + 4 + self._at("I", place) * struct.calcsize(f"<{form}")
        if end > len(self._content):
            raise ValueError
        return list(struct.iter_unpack(f"<{form}", self._content[place + 4 : end]))

    def _offset(self, field: int) -> int:
        place = 4 + 2 * field
        return self._at("H", self._offsets + place) if place + 2 <= self._bytes else 0

    def _at(self, form: str, place: int) -> int:
        value: Any = struct.unpack_from(f"<{form}", self._content, place)[0]
        return int(value)
