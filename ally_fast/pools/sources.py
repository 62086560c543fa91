"""From what a caller names to files in a written order."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ally_fast._optional import require
from ally_fast.pools.formats import FORMATS, VECTOR_FORMATS
from ally_fast.pools.location import Location
from ally_fast.pools.natural_order import natural_order

Path = str | os.PathLike[str]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(?:::[A-Za-z0-9+.-]+)*://")
_GLOB = re.compile(r"[*?[]")
_FOLDERS_AS_FILES = (".zarr",)


def locations(
    source: Path | Sequence[Path],
    *,
    storage_options: Mapping[str, Any] | None = None,
    columns: bool = False,
) -> list[Location]:
    """Return the files that a source names, in the order of their rows.

    Parameters
    ----------
    source : str, path-like, or sequence of them
        Files, folders, glob patterns (``**`` matches any folders) and URLs. A list keeps its
        order. The files of a folder or a pattern come in natural sort order of their paths:
        ``part-2`` before ``part-10``. ``~`` is the home folder.
    storage_options : mapping, optional
        For the file system of a URL, as fsspec takes them.
    columns : bool
        Whether columns are wanted, so that files without vectors count in a folder.

    Raises
    ------
    FileNotFoundError
        If there is no such file, no file matches, or a folder holds none that is read.
    ValueError
        If a folder holds files of several formats.
    """
    if isinstance(source, str | os.PathLike):
        return _locations(os.fspath(source), storage_options, columns)
    found = [
        location
        for one in source
        for location in _locations(os.fspath(one), storage_options, columns)
    ]
    if not found:
        raise ValueError("got no files, needs one at least")
    return found


def split_key(source: str) -> tuple[str, str | None]:
    """Split ``source:key`` at the first colon before which there is a file, or the name of one.

    A file, a pattern or a URL may have colons of its own.
    """
    if _URL.match(source) is None and os.path.exists(os.path.expanduser(source)):
        return source, None
    start = match.end() if (match := _URL.match(source)) else 0
    for place in (i for i, letter in enumerate(source) if letter == ":" and i > start):
        path, key = source[:place], source[place + 1 :]
        if key and (_is_name_of_file(path) or os.path.exists(os.path.expanduser(path))):
            return path, key
    return source, None


def _is_name_of_file(path: str) -> bool:
    extension = os.path.splitext(path.rstrip("/"))[1].lower()
    return extension in FORMATS or extension in _FOLDERS_AS_FILES or "*" in path


def _locations(path: str, options: Mapping[str, Any] | None, columns: bool) -> list[Location]:
    if _URL.match(path):
        return _remote(path, options, columns)
    path = os.path.expanduser(path)
    if os.path.isdir(path):
        return [Location(path)] if _is_unit(path) else _in_folder(path, columns)
    if os.path.exists(path):
        return [Location(path)]
    if _GLOB.search(path):
        matches = glob.glob(path, recursive=True)
        files = [match for match in matches if os.path.isfile(match) or _is_unit(match)]
        if not files:
            raise FileNotFoundError(2, "no file matches", path)
        return [Location(file) for file in sorted(files, key=natural_order)]
    raise FileNotFoundError(2, "no such file", path)


def _is_unit(folder: str) -> bool:
    """Tell whether a folder is one array or group of arrays."""
    markers = ("zarr.json", ".zarray", ".zgroup")
    return any(os.path.exists(os.path.join(folder, marker)) for marker in markers)


def _in_folder(folder: str, columns: bool) -> list[Location]:
    names = []
    for inner, folders, files in os.walk(folder):
        units = [name for name in folders if _is_unit(os.path.join(inner, name))]
        folders[:] = [name for name in folders if name not in units and name[0] not in "._"]
        names += [os.path.join(inner, name) for name in (*files, *units)]
    paths = _of_one_format(folder, [os.path.relpath(name, folder) for name in names], columns)
    return [
        Location(os.path.join(folder, path), None, _partitions(path))
        for path in sorted(paths, key=natural_order)
    ]


def _remote(url: str, options: Mapping[str, Any] | None, columns: bool) -> list[Location]:
    core = require("fsspec.core", "remote", f"reading {url}")
    try:
        filesystem, path = core.url_to_fs(url, **(options or {}))
        return _listed(url, filesystem, path, columns)
    except OSError:
        raise
    except Exception as error:  # of as many classes as there are file systems
        if isinstance(error, ValueError) and url in str(error):
            raise
        raise ValueError(
            f"{url}: {(str(error) or type(error).__name__).splitlines()[0]}"
        ) from error


def _listed(url: str, filesystem: Any, path: str, columns: bool) -> list[Location]:
    if _GLOB.search(path):
        paths = [name for name in filesystem.glob(path) if not filesystem.isdir(name)]
        if not paths:
            raise FileNotFoundError(2, "no file matches", url)
    elif filesystem.isdir(path):
        inside = [name[len(path) :].lstrip("/") for name in filesystem.find(path)]
        paths = _of_one_format(url, inside, columns)
        return [
            Location(f"{path.rstrip('/')}/{inner}", filesystem, _partitions(inner))
            for inner in sorted(paths, key=natural_order)
        ]
    elif filesystem.exists(path):
        return [Location(path, filesystem)]
    else:
        raise FileNotFoundError(2, "no such file", url)
    return [Location(path, filesystem) for path in sorted(paths, key=natural_order)]


def _of_one_format(folder: str, paths: Iterable[str], columns: bool) -> list[str]:
    """Return the files in a folder that are shards; hidden ones and ``_metadata`` are none."""
    formats = FORMATS if columns else VECTOR_FORMATS
    by_format: dict[Any, list[str]] = {}
    for path in paths:
        if os.path.basename(path)[0] in "._":
            continue
        if (form := formats.get(os.path.splitext(path)[1].lower())) is not None:
            by_format.setdefault(form, []).append(path)
    if not by_format:
        needed = ", ".join(formats)
        raise FileNotFoundError(2, f"is a folder without files that are read ({needed})", folder)
    if len(by_format) > 1:
        held = " and ".join(
            f"{len(found)} {os.path.splitext(found[0])[1]}" for found in by_format.values()
        )
        raise ValueError(f"{folder}: holds files of several formats ({held}); name those to read")
    (found,) = by_format.values()
    return found


def _partitions(path: str) -> dict[str, str]:
    """Return what folders named ``key=value`` say."""
    folders = os.path.dirname(path).split("/")
    return dict(folder.split("=", 1) for folder in folders if "=" in folder)
