"""The place of a file: on a disk, or behind a URL."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import IO, Any

_BLOCKS = 32
_BLOCK_BYTES = 4096
_AHEAD_BYTES = 4 << 20  # that one request for an open file behind a URL fetches


@dataclass(frozen=True, eq=False)
class Location:
    """A file, or a folder that is one unit, such as a Zarr array.

    Attributes
    ----------
    path : str
        The path on a disk, or within `filesystem`.
    filesystem : fsspec.AbstractFileSystem or None
        None means a disk.
    partitions : mapping of str to str
        Keys and values from the names of hive-style folders above: ``{"date": "2026-01-31"}``.
    unit : str or None
        For a folder that is one unit, the extension of its format, such as ``.zarr``, whatever the
        folder's name is.
    shown : str or None
        The name in messages; None means the path.
    """

    path: str
    filesystem: Any = None
    partitions: Mapping[str, str] = field(default_factory=dict)
    unit: str | None = None
    shown: str | None = None

    @property
    def name(self) -> str:
        """The path as the caller wrote it, or the URL, for messages."""
        if self.shown is not None:
            return self.shown
        if self.filesystem is None:
            return self.path
        return str(self.filesystem.unstrip_protocol(self.path))

    @property
    def extension(self) -> str:
        """The extension in lower case, with its dot; for a folder, its format's extension."""
        return self.unit or os.path.splitext(self.path)[1].lower()

    def inside(self, name: str) -> Location:
        """Return a file or folder within this folder; "" means the folder itself."""
        path, shown = (
            f"{above.rstrip('/')}/{name}".rstrip("/") for above in (self.path, self.name)
        )
        return Location(path, self.filesystem, shown=shown)

    def folders(self) -> list[str]:
        """Return the names of the folders within a folder, sorted."""
        if self.filesystem is None:
            with os.scandir(self.path) as entries:
                return sorted(
                    entry.name for entry in entries if entry.is_dir(follow_symlinks=False)
                )
        items = self.filesystem.ls(self.path, detail=True)
        paths = (entry["name"] for entry in items if entry["type"] == "directory")
        return sorted(os.path.basename(name.rstrip("/")) for name in paths)

    def open(self) -> IO[bytes]:
        """Open the file for reading, at its beginning."""
        if self.filesystem is None:
            return open(self.path, "rb")
        opened: IO[bytes] = self.filesystem.open(self.path, "rb", block_size=_AHEAD_BYTES)
        return opened

    def read(self, start: int, end: int) -> bytes:
        """Return bytes ``start`` to ``end`` (exclusive), fewer at the end of the file.

        It reads no other bytes. An open file behind a URL, in contrast, is read ahead.
        """
        if self.filesystem is not None:
            content: bytes = self.filesystem.cat_file(self.path, start=start, end=end)
            return content
        with open(self.path, "rb") as file:
            file.seek(start)
            return file.read(end - start)

    def size(self) -> int:
        """Return the number of bytes."""
        return os.path.getsize(self.path) if self.filesystem is None else int(self._info()["size"])

    def stamp(self) -> tuple[Any, ...]:
        """Return values that change with the file: size, time, and what the file system adds."""
        if self.filesystem is None:
            status = os.stat(self.path)
            return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
        info = self._info()
        tags = ("size", "ETag", "etag", "LastModified", "mtime", "created", "generation")
        return tuple(str(info.get(tag)) for tag in tags)

    def digest(self) -> bytes:
        """Return a hash of the size, of both ends and of blocks in between.

        It is cheap at any size. Files of the same size that differ only in other bytes share it.
        """
        if self.unit:
            return self._digest_of_folder()
        size = self.size()
        digest = blake2b(str(size).encode(), digest_size=16)
        starts = {max(0, (size - _BLOCK_BYTES) * block // _BLOCKS) for block in range(_BLOCKS + 1)}
        for start in sorted(starts):
            digest.update(self.read(start, min(size, start + _BLOCK_BYTES)))
        return digest.digest()

    def absolute(self) -> Location:
        """Return the same file for any working directory; it keeps its name in messages."""
        if self.filesystem is not None:
            return self
        return replace(self, path=os.path.abspath(self.path), shown=self.name)

    def _digest_of_folder(self) -> bytes:
        """Return a hash of the names and sizes of the files within, and of some files' content."""
        sizes = self._sizes_within()
        names = sorted(sizes)
        digest = blake2b(str([(name, sizes[name]) for name in names]).encode(), digest_size=16)
        for place in sorted({(len(names) - 1) * block // _BLOCKS for block in range(_BLOCKS + 1)}):
            if names:
                digest.update(self.inside(names[place]).digest())
        return digest.digest()

    def _sizes_within(self) -> dict[str, int]:
        if self.filesystem is None:
            paths = [
                os.path.join(folder, name)
                for folder, _, files in os.walk(self.path)
                for name in files
            ]
            return {os.path.relpath(path, self.path): os.path.getsize(path) for path in paths}
        by_path = self.filesystem.find(self.path, detail=True)
        return {name[len(self.path) :].lstrip("/"): int(by_path[name]["size"]) for name in by_path}

    def _info(self) -> Mapping[str, Any]:
        self.filesystem.invalidate_cache(os.path.dirname(self.path))
        info: Mapping[str, Any] = self.filesystem.info(self.path)
        return info


def as_location(source: Location | str | os.PathLike[str]) -> Location:
    """Return a location itself, or the location of a path on a disk."""
    return source if isinstance(source, Location) else Location(os.fspath(source))
