"""Find the files that a caller names, in a documented order."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ally_fast._optional import require
from ally_fast.pools.formats import FORMATS, VECTOR_FORMATS
from ally_fast.pools.location import Location
from ally_fast.pools.natural_order import natural_order

Path = str | os.PathLike[str]
Units = dict[str, str]  # folder that is one unit -> extension of its format

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(?:::[A-Za-z0-9+.-]+)*://")
_GLOB = re.compile(r"[*?[]")
# A name in a folder that is one unit, and the extension of its format.
_MARKERS = {"zarr.json": ".zarr", ".zarray": ".zarr", ".zgroup": ".zarr", "_versions": ".lance"}


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
        Options for the file system of a URL, as fsspec takes them.
    columns : bool
        Whether you want columns; then a folder's files without vectors count too.

    Raises
    ------
    FileNotFoundError
        If there is no such file, no file matches, or a folder holds no file that can be read.
    ValueError
        If a folder holds files of several formats.
    """
    if isinstance(source, str | os.PathLike):
        return _locations(os.fspath(source), storage_options, columns)
    files = [
        location
        for one in source
        for location in _locations(os.fspath(one), storage_options, columns)
    ]
    if not files:
        raise ValueError("got no files, needs at least one")
    seen = set()
    for location in files:
        file = location.name if location.filesystem else os.path.realpath(location.path)
        if file in seen:
            raise ValueError(f"{location.name}: is named twice; name each file once")
        seen.add(file)
    return files


def split_key(source: str) -> tuple[str, str | None]:
    """Split ``source:key`` at the first colon that follows a file, or the name of one.

    A file name, a pattern or a URL may contain colons.
    """
    if _URL.match(source) is None and os.path.exists(os.path.expanduser(source)):
        return source, None
    start = match.end() if (match := _URL.match(source)) else 0
    for place in (i for i, letter in enumerate(source) if letter == ":" and i > start):
        path, key = source[:place], source[place + 1 :]
        if key and (_is_name_of_file(path) or os.path.exists(os.path.expanduser(path))):
            return path, key
    return source, None


def folders_in(source: Path, storage_options: Mapping[str, Any] | None = None) -> list[str]:
    """Return the sorted names of the folders within a folder; none if `source` is no folder."""
    path = os.fspath(source)
    if _URL.match(path):
        filesystem, path = _file_system(path, storage_options)
        return Location(path, filesystem).folders() if filesystem.isdir(path) else []
    path = os.path.expanduser(path)
    return Location(path).folders() if os.path.isdir(path) else []


def _is_name_of_file(path: str) -> bool:
    extension = os.path.splitext(path.rstrip("/"))[1].lower()
    return extension in FORMATS or "*" in path


def _locations(path: str, options: Mapping[str, Any] | None, columns: bool) -> list[Location]:
    if _URL.match(path):
        return _remote(path, options, columns)
    path = os.path.expanduser(path)
    if os.path.isdir(path):
        unit = _unit(path)
        return [Location(path, unit=unit)] if unit else _in_folder(path, columns)
    if os.path.exists(path):
        return [Location(path)]
    if _GLOB.search(path):
        matches = _matching(path, glob.glob(path, recursive=True))
        units = _units(matches, os.path.exists)
        files = [match for match in matches if os.path.isfile(match)]
        return _located("", [*_outside(files, units), *units], units)
    raise FileNotFoundError(2, "no such file", path)


def _unit(folder: str, exists: Callable[[str], bool] = os.path.exists) -> str | None:
    """Return the extension of the format if a folder is one unit; otherwise None."""
    markers = (marker for marker in _MARKERS if exists(f"{folder.rstrip('/')}/{marker}"))
    return next((_MARKERS[marker] for marker in markers), None)


def _units(folders: Iterable[str], exists: Callable[[str], bool] = os.path.exists) -> Units:
    """Return the folders that are units, with the extensions of their formats."""
    units = ((folder, _unit(folder, exists)) for folder in folders)
    return {folder: unit for folder, unit in units if unit}


def _in_folder(folder: str, columns: bool) -> list[Location]:
    files: list[str] = []
    units: Units = {}
    for inner, folders, names in os.walk(folder):
        here = os.path.relpath(inner, folder)
        for name in folders:
            if unit := _unit(os.path.join(inner, name)):
                units[os.path.normpath(f"{here}/{name}")] = unit
        folders[:] = [name for name in folders if os.path.normpath(f"{here}/{name}") not in units]
        folders[:] = [name for name in folders if not _is_hidden(name)]
        files += [os.path.normpath(f"{here}/{name}") for name in names]
    return _located(f"{folder}/", _of_one_format(folder, files, units, columns), units)


def _remote(url: str, options: Mapping[str, Any] | None, columns: bool) -> list[Location]:
    filesystem, path = _file_system(url, options)
    try:
        return _listed(url, filesystem, path, columns)
    except Exception as error:
        raise _told(error, url) from error


def _listed(url: str, filesystem: Any, path: str, columns: bool) -> list[Location]:
    if _GLOB.search(path):
        matches = _matching(url, filesystem.glob(path))
        folders = [match for match in matches if filesystem.isdir(match)]
        units = _units(folders, filesystem.exists)
        files = [match for match in matches if match not in folders]
        return _located("", [*_outside(files, units), *units], units, filesystem)
    if filesystem.isdir(path):
        if unit := _unit(path, filesystem.exists):
            return [Location(path, filesystem, unit=unit)]
        inside = [name[len(path) :].lstrip("/") for name in filesystem.find(path)]
        units = _units_among(inside)
        paths = _of_one_format(url, _outside(inside, units), units, columns)
        return _located(f"{path.rstrip('/')}/", paths, units, filesystem)
    if filesystem.exists(path):
        return [Location(path, filesystem)]
    raise FileNotFoundError(2, "no such file", url)


def _file_system(url: str, options: Mapping[str, Any] | None) -> tuple[Any, str]:
    core = require("fsspec.core", "remote", f"reading {url}")
    try:
        filesystem, path = core.url_to_fs(url, **(options or {}))
        return filesystem, path
    except Exception as error:
        raise _told(error, url) from error


def _told(error: Exception, url: str) -> Exception:
    """Return an error that names the URL; each file system raises classes of its own."""
    if isinstance(error, OSError) or url in str(error):
        return error
    return ValueError(f"{url}: {(str(error) or type(error).__name__).splitlines()[0]}")


def _located(
    base: str, paths: Iterable[str], units: Units, filesystem: Any = None
) -> list[Location]:
    return [
        Location(f"{base}{path}", filesystem, _partitions(path), units.get(path))
        for path in sorted(paths, key=natural_order)
    ]


def _matching(pattern: str, matches: Iterable[str]) -> list[str]:
    """Return the matches of a pattern; hidden files and folders only if the pattern names them."""
    said = [part for part in pattern.split("/") if _is_hidden(part)]

    def is_wanted(name: str) -> bool:
        hidden = (part for part in name.split("/") if _is_hidden(part))
        return all(any(fnmatchcase(part, one) for one in said) for part in hidden)

    names = [name for name in matches if is_wanted(name)]
    if not names:
        raise FileNotFoundError(2, "no file matches", pattern)
    return names


def _units_among(files: Iterable[str]) -> Units:
    """Return the folders of files that are units, without units within other units."""
    marked: Units = {}
    for path in files:
        for folder in (*_above(path), path):
            if unit := _MARKERS.get(os.path.basename(folder)):
                marked[os.path.dirname(folder)] = unit
    return {path: marked[path] for path in _outside(marked, marked)}


def _outside(paths: Iterable[str], units: Units) -> list[str]:
    """Return the paths that are not within a unit."""
    return [path for path in paths if not any(above in units for above in _above(path))]


def _above(path: str) -> list[str]:
    """Return all folders above a path."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def _is_hidden(name: str) -> bool:
    """Tell whether a name is one that programs leave behind: ``.cache``, ``_SUCCESS``."""
    return name[:1] in (".", "_")


def _of_one_format(folder: str, files: Iterable[str], units: Units, columns: bool) -> list[str]:
    """Return the files and units in a folder that are shards, without hidden ones."""
    formats = FORMATS if columns else VECTOR_FORMATS
    by_format: dict[Any, list[str]] = {}
    named = [(os.path.splitext(path)[1], path) for path in files]
    for extension, path in [*named, *((unit, path) for path, unit in units.items())]:
        form = formats.get(extension.lower())
        if form is not None and not any(map(_is_hidden, path.split("/"))):
            by_format.setdefault(form, []).append(path)
    if not by_format:
        needed = ", ".join(formats)
        raise FileNotFoundError(2, f"the folder holds no files that can be read ({needed})", folder)
    if len(by_format) > 1:
        counts = " and ".join(
            f"{len(paths)} {os.path.splitext(paths[0])[1] or units[paths[0]]}"
            for paths in by_format.values()
        )
        raise ValueError(f"{folder}: holds files of several formats ({counts}); name those to read")
    (paths,) = by_format.values()
    return paths


def _partitions(path: str) -> dict[str, str]:
    """Return the keys and values of folders named ``key=value``."""
    folders = os.path.dirname(path).split("/")
    return dict(folder.split("=", 1) for folder in folders if "=" in folder)
