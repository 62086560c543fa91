"""The identity of a pool, so that indices of another pool can be refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

VERSION = 1


@dataclass(frozen=True)
class Fingerprint:
    """Identify a pool by its shards, in order.

    Attributes
    ----------
    shards : tuple of (str, int, str)
        Name, number of rows and digest (hexadecimal) of each shard. The name is the file's name
        without its folder, so you can move the folder.
    """

    shards: tuple[tuple[str, int, str], ...]

    @property
    def text(self) -> str:
        """A short text that stands for all shards."""
        return blake2b(repr(self.shards).encode(), digest_size=16).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """Return the fingerprint as a JSON object."""
        return {
            "version": VERSION,
            "fingerprint": self.text,
            "shards": [
                {"name": name, "rows": rows, "digest": digest} for name, rows, digest in self.shards
            ],
        }

    @classmethod
    def from_json(cls, content: Any) -> Fingerprint:
        """Return the fingerprint that `as_json` wrote.

        Raises
        ------
        ValueError
            If `content` is something else, or comes from a later version.
        """
        try:
            if content["version"] > VERSION:
                raise ValueError(
                    f"a later version of ally-fast wrote it (format {content['version']}; this one "
                    f"reads {VERSION})"
                )
            return cls(
                tuple(
                    (str(shard["name"]), int(shard["rows"]), str(shard["digest"]))
                    for shard in content["shards"]
                )
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"is not the fingerprint of a pool: {error}") from None

    def difference(self, other: Fingerprint) -> str | None:
        """Say how the `other` pool differs; None if its indices are also indices of this pool.

        They are if the pools are the same, or if the other's shards are the first ones of this
        pool: a pool may grow.
        """
        pairs: Sequence[Any] = list(zip(self.shards, other.shards, strict=False))
        for number, (ours, theirs) in enumerate(pairs):
            if ours[1:] != theirs[1:]:
                where = f"shard {number} was {theirs[0]} ({theirs[1]} rows)"
                return f"{where}, is now {ours[0]} ({ours[1]} rows)"
        if len(other.shards) > len(self.shards):
            return f"it had {len(other.shards)} shards, this one has {len(self.shards)}"
        return None
