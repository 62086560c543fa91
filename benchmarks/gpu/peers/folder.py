"""The folder of rivals: ``ALLY_FAST_GPU_PEERS`` holds wheels and ``.tar.xz`` archives.

Each is unpacked once, into ``unpacked/<its name>`` in the same folder; an archive holds what a
site-packages folder holds.
"""

from __future__ import annotations

import os
import sys
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

VARIABLE = "ALLY_FAST_GPU_PEERS"
ENDINGS = (".whl", ".tar.xz")


def _folder() -> Path | None:
    name = os.environ.get(VARIABLE)
    return Path(name).resolve() if name else None


def unpack() -> list[str]:
    """Unpack what is not unpacked yet; return the names of what could not be."""
    folder = _folder()
    if folder is None or not folder.is_dir():
        return []
    archives = [path for path in sorted(folder.iterdir()) if path.name.endswith(ENDINGS)]
    with ThreadPoolExecutor() as workers:
        return [text for text in workers.map(_unpack_one, archives) if text]


def _unpack_one(archive: Path) -> str:
    target = archive.parent / "unpacked" / archive.name
    if target.is_dir():
        return ""
    partial = target.with_name(f"{target.name}.partial-{os.getpid()}")
    try:
        partial.mkdir(parents=True)
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as file:
                file.extractall(partial)
        else:
            with tarfile.open(archive, "r:xz") as file:
                file.extractall(partial, filter="data")
        partial.rename(target)
    except (OSError, tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        return f"{archive.name}: {error}"
    return ""


def unpacked() -> list[Path]:
    """Return the folders to import from."""
    folder = _folder()
    found = sorted((folder / "unpacked").glob("*")) if folder else []
    return [path for path in found if path.is_dir() and ".partial-" not in path.name]


def extend_path() -> None:
    """Put the unpacked rivals at the end of the path: what is installed comes first."""
    for path in unpacked():
        if str(path) not in sys.path:
            sys.path.append(str(path))


def library_path() -> dict[str, str]:
    """Return the environment in which archives of shared libraries find each other and torch's."""
    libraries = [path for root in unpacked() for path in sorted(root.glob("*/lib64"))]
    if not libraries:
        return {}
    spec = find_spec("torch")
    for place in spec.submodule_search_locations or [] if spec else []:
        libraries += sorted(Path(place).parent.glob("nvidia/*/lib"))
    present = os.environ.get("LD_LIBRARY_PATH")
    return {"LD_LIBRARY_PATH": ":".join([*map(str, libraries), *([present] if present else [])])}
