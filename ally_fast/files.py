"""Output files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import IO


def check_output(path: str, extensions: Collection[str], *, force: bool = False) -> None:
    """Check, before any work, that a file can be written.

    Parameters
    ----------
    path : str
        The file to be.
    extensions : collection of str
        Those allowed, in lower case, such as ``{".csv"}``.
    force : bool
        Allow a file that exists.

    Raises
    ------
    ValueError
        If the extension is another.
    FileExistsError
        If the file exists, without `force`.
    OSError
        If its folder does not exist or may not be written, or the path is a folder.
    """
    if os.path.splitext(path)[1].lower() not in extensions:
        raise ValueError(f"{path}: the extension must be one of {', '.join(extensions)}")
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise FileNotFoundError(2, "no such folder", folder)
    if os.path.isdir(path):
        raise IsADirectoryError(21, "is a folder", path)
    if os.path.lexists(path) and not force:
        raise FileExistsError(17, "exists; add --force to replace it", path)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(13, "this folder may not be written", folder)


@contextmanager
def whole_file(path: str, *, force: bool = False) -> Iterator[IO[bytes]]:
    """Write a file under another name in its folder; give it its own name when complete.

    If the block raises, or the process is interrupted in it, nothing is left. Without `force`, a
    file that has appeared at `path` meanwhile is kept and FileExistsError raised.

    Parameters
    ----------
    path : str
        The file to be. A symbolic link is followed.
    force : bool
        Replace a file that exists.

    Yields
    ------
    binary file
        To be written by the block.
    """
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    partial = os.path.join(folder, f".{name}.{secrets.token_hex(4)}.part")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if force:
            os.replace(partial, target)
        else:
            _publish(partial, target, path)
    except OSError as error:  # a full disk names no file, and the user knows none but `path`
        if error.filename in (None, partial):
            error.filename = path
        raise
    finally:
        if os.path.lexists(partial):
            os.unlink(partial)


def _publish(partial: str, target: str, path: str) -> None:
    try:
        os.link(partial, target)  # unlike a rename, never replaces a file
    except FileExistsError:
        raise FileExistsError(17, "exists; add --force to replace it", path) from None
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            raise FileExistsError(17, "exists; add --force to replace it", path) from None
        os.rename(partial, target)
