"""The record of a written batch: what the file holds, and which pool the batch comes from."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from ally_fast._optional import require
from ally_fast.json_object import parse_json, parse_object
from ally_fast.pools.fingerprint import Fingerprint

FORMAT = "ally-fast batch"
VERSION = 1
METADATA_KEY = b"ally_fast"  # in a Parquet file
SIDECAR = ".json"  # added to the name of a file that cannot hold the record itself


@dataclass(frozen=True)
class BatchRecord:
    """The record stored with a batch.

    Attributes
    ----------
    content : str
        "table", "indices" or "ids"; for labeling tools "tasks", "stream" or "files".
    pool : Fingerprint or None
        The pool; None if it has no files.
    """

    content: str
    pool: Fingerprint | None

    def as_json(self, written: bytes | None = None) -> dict[str, Any]:
        """Return the record as a JSON object, with a hash of the batch file `written` if given."""
        record: dict[str, Any] = {"format": FORMAT, "version": VERSION, "content": self.content}
        if written is not None:
            record["digest"] = _digest(written)
        if self.pool is not None:
            record["pool"] = self.pool.as_json()
        return record


def read_record(path: str) -> BatchRecord | None:
    """Return the record of a batch, from its file or the file beside it; None if there is none.

    Raises
    ------
    ValueError
        If the record is damaged, comes from a later version, or belongs to another file.
    """
    extension = os.path.splitext(path)[1].lower()
    if extension == ".json":
        with open(path, "rb") as file:
            whole = parse_json(file.read())
        info = whole.get("info") if isinstance(whole, dict) else None
        content = info.get("batch") if isinstance(info, dict) else None
        if content is not None:
            return _record(content)
    if extension == ".parquet":
        parquet = require("pyarrow.parquet", "parquet", f"reading {path}")
        metadata = parquet.read_metadata(path).metadata or {}
        text = metadata.get(METADATA_KEY)
        return None if text is None else _record(parse_object(text))
    sidecar = path + SIDECAR
    if not os.path.exists(sidecar):
        return None
    with open(sidecar, "rb") as file:
        content = parse_object(file.read())
    if content.get("format") != FORMAT:
        return None
    record = _record(content)
    with open(path, "rb") as file:
        if content.get("digest") != _digest(file.read()):
            raise ValueError(f"is not the file that {sidecar} describes; remove one of them")
    return record


def _record(content: dict[str, Any]) -> BatchRecord:
    if content.get("format") != FORMAT:
        raise ValueError("needs the record of a batch, but holds something else")
    version = content.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise ValueError(
            f"a later version of ally-fast wrote it (format {version}; this one reads {VERSION})"
        )
    pool = content.get("pool")
    return BatchRecord(
        str(content.get("content")), None if pool is None else Fingerprint.from_json(pool)
    )


def _digest(written: bytes) -> str:
    return blake2b(written, digest_size=16).hexdigest()


def record_text(record: BatchRecord, written: bytes | None = None) -> bytes:
    """Return a record as the bytes to write."""
    return json.dumps(record.as_json(written), allow_nan=False).encode() + b"\n"
