"""What a pool is known by, so that indices of another one are told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

VERSION = 1


@dataclass(frozen=True)
class Fingerprint:
    """The shards of a pool, in order.

    Attributes
    ----------
    shards : tuple of (str, int, str)
        Name, rows and digest (hexadecimal) of each. The name is that of the file alone, so that a
        folder can move.
    """

    shards: tuple[tuple[str, int, str], ...]

    @property
    def text(self) -> str:
        """One short text for the whole list."""
        return blake2b(repr(self.shards).encode(), digest_size=16).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """Return it as an object of JSON."""
        return {
            "version": VERSION,
            "fingerprint": self.text,
            "shards": [
                {"name": name, "rows": rows, "digest": digest} for name, rows, digest in self.shards
            ],
        }

    @classmethod
    def from_json(cls, content: Any) -> Fingerprint:
        """Read what `as_json` gave.

        Raises
        ------
        ValueError
            If it is something else, or of a later version.
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
        """Say how the `other` pool differs; None if indices of it are indices of this one.

        They are if it is the same, or if its shards are the first ones here: a pool may grow.
        """
        pairs: Sequence[Any] = list(zip(self.shards, other.shards, strict=False))
        for number, (ours, theirs) in enumerate(pairs):
            if ours[1:] != theirs[1:]:
                where = f"shard {number} was {theirs[0]} ({theirs[1]} rows)"
                return f"{where}, is now {ours[0]} ({ours[1]} rows)"
        if len(other.shards) > len(self.shards):
            return f"it had {len(other.shards)} shards, this one has {len(self.shards)}"
        return None
