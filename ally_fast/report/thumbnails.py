"""Cells of a page for values of kept columns: small pictures, links, texts."""

from __future__ import annotations

import base64
import io
import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ally_fast._optional import require

_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP")
_SIDE = 96  # pixels, twice what is shown
_MOST_PIXELS = 50_000_000  # of a picture that is decoded
_MOST_BYTES = 32 << 20
_MOST_TEXT = 240


@dataclass(frozen=True)
class Cell:
    """What a table shows for a value, and its sort key.

    Attributes
    ----------
    text : str
        Not escaped.
    key : float or str
        The sort key.
    picture : str or None
        A ``data:`` URL made by this module.
    link : str or None
        Begins with ``http://`` or ``https://``.
    """

    text: str
    key: float | str
    picture: str | None = None
    link: str | None = None


def cell(value: Any) -> Cell:
    """Return the cell of a value of any type.

    A picture is the bytes of a picture file, a struct with these as ``bytes``, or a ``data:`` URL.
    It is decoded and made small. If it cannot be decoded, the cell shows its size in bytes.
    """
    content = _picture_bytes(value)
    if content is not None:
        try:
            picture = _small(content)
        except ImportError as error:  # a Pillow that a picture can take over
            return Cell(str(error), float(len(content)))
        text = "picture" if picture else f"{len(content):,} bytes"
        return Cell(text, float(len(content)), picture)
    if isinstance(value, bool) or not isinstance(value, int | float):
        text = "" if value is None else _text(value)
        link = text if re.fullmatch(r"https?://[^\s\"'<>]+", text) else None
        return Cell(_cut(text), _cut(text), link=link)
    return Cell(f"{value:.6g}" if isinstance(value, float) else str(value), float(value))


def _text(value: Any) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}…"


def _picture_bytes(value: Any) -> bytes | None:
    if isinstance(value, Mapping) and isinstance(value.get("bytes"), bytes):
        return bytes(value["bytes"])
    if isinstance(value, bytes):
        return value
    if isinstance(value, str) and value.startswith("data:image/"):
        _, _, content = value.partition(";base64,")
        try:
            return base64.b64decode(content, validate=True)
        except ValueError:
            return None
    return None


def _small(content: bytes) -> str | None:
    """Return a small picture as a URL, or None if it is not a picture or far too large."""
    pillow = require("PIL.Image", "report", "thumbnails")
    if len(content) > _MOST_BYTES:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata, and sizes that are looked at here
            with pillow.open(io.BytesIO(content), formats=_FORMATS) as picture:
                if picture.width * picture.height > _MOST_PIXELS:
                    return None
                picture.draft("RGB", (_SIDE, _SIDE))
                kind = "RGBA" if "A" in picture.mode or "transparency" in picture.info else "RGB"
                small = picture.convert(kind)
                small.thumbnail((_SIDE, _SIDE))
    except Exception:  # Pillow raises whatever its decoders do on damaged files
        return None
    file = io.BytesIO()
    if kind == "RGBA" or max(picture.size) <= _SIDE:
        small.save(file, "PNG", optimize=True)
        return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    small.save(file, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
