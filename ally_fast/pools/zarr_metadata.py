"""The metadata of a Zarr array, checked before the library reads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from ally_fast.json_object import parse_object
from ally_fast.pools.chunk_file import ChunkFile, chunk_file, shard_file
from ally_fast.pools.location import Location


@dataclass(frozen=True)
class ZarrMetadata:
    """The form of an array, and the place of its chunks.

    Attributes
    ----------
    file : str
        The metadata file in the array's folder.
    shape, chunks : tuple of int
        The shape of the array, and of the part in one file.
    prefix, separator : str
        Parts of the names of these files.
    chunk_file : ChunkFile
        The form of these files.
    """

    file: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    prefix: str
    separator: str
    chunk_file: ChunkFile

    def files(self, lo: int, hi: int) -> Iterator[str]:
        """Yield the files of rows ``lo`` to ``hi`` (exclusive); some may be missing."""
        first, *rest = zip(self.shape, self.chunks, strict=True)
        rows = range(lo // first[1], -(-hi // first[1]))
        columns = [range(-(-length // chunk)) for length, chunk in rest]
        for place in product(rows, *columns):
            yield self.prefix + self.separator.join(map(str, place))


def zarr_metadata(folder: Location) -> ZarrMetadata | None:
    """Return the metadata in the folder of an array; None if the folder holds no array.

    Raises
    ------
    ValueError
        If the metadata is damaged, or names a codec that runs code from the file.
    """
    for file, read in (("zarr.json", _of_format_3), (".zarray", _of_format_2)):
        location = folder.inside(file)
        try:
            with location.open() as opened:
                text = opened.read()
        except (FileNotFoundError, NotADirectoryError):
            continue
        try:
            fields = parse_object(text)
            if fields.get("node_type") == "group":
                return None
            return read(file, fields)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{location.name}: describes no array: {error!r}") from None
        except ValueError as error:
            raise ValueError(f"{location.name}: {error}") from None
    return None


def _of_format_2(file: str, fields: dict[str, Any]) -> ZarrMetadata:
    codecs = [codec["id"] for codec in (*(fields["filters"] or ()), fields["compressor"]) if codec]
    separator = fields.get("dimension_separator", ".")
    form = chunk_file(codecs, fields["chunks"])
    return _checked(file, fields["shape"], fields["chunks"], "", separator, form)


def _of_format_3(file: str, fields: dict[str, Any]) -> ZarrMetadata:
    grid, keys = fields["chunk_grid"], fields["chunk_key_encoding"]
    if grid["name"] != "regular" or keys["name"] not in ("default", "v2"):
        raise ValueError("its chunks do not form a regular grid")
    is_default = keys["name"] == "default"
    separator = keys.get("configuration", {}).get("separator", "/" if is_default else ".")
    prefix = f"c{separator}" if is_default else ""
    chunks, codecs = grid["configuration"]["chunk_shape"], fields["codecs"]
    inner = next((codec for codec in codecs if codec["name"] == "sharding_indexed"), None)
    if inner is None:
        form = chunk_file([codec["name"] for codec in codecs], chunks)
    elif len(codecs) > 1:
        raise ValueError("its shards are encoded again as a whole")
    else:
        form = shard_file(inner["configuration"], chunks)
    return _checked(file, fields["shape"], chunks, prefix, separator, form)


def _checked(
    file: str, shape: Any, chunks: Any, prefix: str, separator: Any, form: ChunkFile
) -> ZarrMetadata:
    lengths = [*shape, *chunks]
    if len(shape) != len(chunks) or not all(type(length) is int for length in lengths):
        raise ValueError("describes no array")
    if min(shape, default=0) < 0 or min(chunks, default=1) < 1 or separator not in (".", "/"):
        raise ValueError("describes no array")
    return ZarrMetadata(file, tuple(shape), tuple(chunks), prefix, separator, form)
