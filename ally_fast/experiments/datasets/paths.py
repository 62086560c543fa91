"""Where data sets lie: a folder of the user's, or a cache that is downloaded to."""

from __future__ import annotations

import os
from pathlib import Path


def needed(folder: Path, *parts: str) -> Path:
    """Return the path of a file that must be there.

    Raises
    ------
    FileNotFoundError
        If it is not; says where else data come from.
    """
    path = folder.joinpath(*parts)
    if not path.is_file():
        raise FileNotFoundError(
            2, "no such file; without --data and ALLY_FAST_DATA it is downloaded", str(path)
        )
    return path


def cache(name: str) -> Path:
    """Return the folder that a data set is downloaded to, which is made."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(base) / "ally_fast" / name
    path.mkdir(parents=True, exist_ok=True)
    return path
