"""Folders of data sets: the user's, or a cache for downloads."""

from __future__ import annotations

import os
from pathlib import Path


def needed(folder: Path, *parts: str) -> Path:
    """Return the path of a file that must exist.

    Raises
    ------
    FileNotFoundError
        If it does not; the message says how to download the data.
    """
    path = folder.joinpath(*parts)
    if not path.is_file():
        raise FileNotFoundError(
            2, "no such file; to download it, set neither --data nor ALLY_FAST_DATA", str(path)
        )
    return path


def cache(name: str) -> Path:
    """Create and return the folder for the download of a data set."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(base) / "ally_fast" / name
    path.mkdir(parents=True, exist_ok=True)
    return path
