"""Write output files whole or not at all, and all together."""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import re
import secrets
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import IO

_EXISTS = "exists; add --force to replace it"


def check_output(path: str, extensions: Collection[str], *, force: bool = False) -> None:
    """Check that a file can be written, before any work.

    Parameters
    ----------
    path : str
        The file to write. A symbolic link is followed.
    extensions : collection of str
        The allowed extensions in lower case, such as ``{".csv"}``.
    force : bool
        Allow a file that exists.

    Raises
    ------
    FileExistsError
        If the file exists, without `force`.
    OSError
        If the extension is not allowed, the folder does not exist or is not writable, or the path
        is a folder, a pipe, a device or a socket.
    """
    if os.path.splitext(path)[1].lower() not in extensions:
        needed = f"the extension must be one of {', '.join(extensions)}"
        raise OSError(errno.EINVAL, needed, path)
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, "no such folder", os.path.dirname(path) or ".")
    _check_kind(path)
    if os.path.lexists(path) and not force:
        raise FileExistsError(errno.EEXIST, _EXISTS, path)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "this folder is not writable", folder)


@contextmanager
def whole_file(path: str, *, force: bool = False) -> Iterator[IO[bytes]]:
    """Write one file; see `whole_files`."""
    with whole_files(force=force) as create, create(path) as file:
        yield file


@contextmanager
def whole_files(
    *, force: bool = False
) -> Iterator[Callable[[str], AbstractContextManager[IO[bytes]]]]:
    """Write files under temporary names in their folders, and rename all once all are complete.

    If the block raises or the process is interrupted, nothing is left. The next process that writes
    the same file removes what a killed process left. If one of the files cannot be renamed at the
    end, those that did not exist before are removed again. A file that `force` replaced is not
    restored.

    Parameters
    ----------
    force : bool
        Replace files that exist; keep their mode and, if the system allows it, their owner. Without
        `force`, a file that has appeared meanwhile is kept, and FileExistsError is raised.

    Yields
    ------
    function
        Takes a path; returns a context manager of a binary file to write to. A symbolic link is
        followed.

    Raises
    ------
    OSError
        With the path in the message; also if the path is a folder, a pipe, a device or a socket.
    """
    begun: list[_Partial] = []

    @contextmanager
    def create(path: str) -> Iterator[IO[bytes]]:
        partial = _Partial(path)
        begun.append(partial)
        with partial.told_by_its_path():
            yield partial.file
            partial.file.flush()
            os.fsync(partial.file.fileno())

    try:
        yield create
        for partial in begun:
            partial.publish(force)
    except BaseException:
        for partial in begun:
            partial.withdraw()
        raise
    finally:
        for partial in begun:
            partial.close()


class _Partial:
    """A file to be, under a temporary name in the same folder, locked while its process lives."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._target = os.path.realpath(path)
        self._new = False
        with self.told_by_its_path():
            _check_kind(path)
            _remove_left(self._target)
            self._name, self.file = _create(self._target)

    @contextmanager
    def told_by_its_path(self) -> Iterator[None]:
        """Name the file in errors as the user did: a full disk names none, nobody knows ours."""
        try:
            yield
        except OSError as error:
            ours = error.filename is None or _is_partial(str(error.filename), self._target)
            if not (ours and error.errno):
                raise
            raise OSError(error.errno, error.strerror, self._path) from None

    def publish(self, force: bool) -> None:
        """Give the file its final name."""
        self._new = not os.path.lexists(self._target)
        with self.told_by_its_path():
            if force:
                os.replace(self._name, self._target)
                return
            try:
                os.link(self._name, self._target)  # unlike a rename, never replaces a file
            except FileExistsError:
                raise FileExistsError(errno.EEXIST, _EXISTS, self._path) from None
            except OSError:  # a file system without hard links
                if os.path.lexists(self._target):
                    raise FileExistsError(errno.EEXIST, _EXISTS, self._path) from None
                os.rename(self._name, self._target)

    def withdraw(self) -> None:
        """Remove the file from its final name, if it has it and no file had it before."""
        with suppress(OSError):
            now, ours = os.lstat(self._target), os.fstat(self.file.fileno())
            if self._new and os.path.samestat(now, ours):
                os.unlink(self._target)

    def close(self) -> None:
        """Remove the temporary file if there still is one, and unlock."""
        with suppress(FileNotFoundError):
            os.unlink(self._name)
        with suppress(OSError):  # a full disk says so once more
            self.file.close()


def _create(target: str) -> tuple[str, IO[bytes]]:
    """Create a partial file, locked, with the mode and owner of the file that it may replace."""
    prefix = _prefix(target)
    old = os.stat(target) if os.path.exists(target) else None
    mode = 0o666 if old is None else 0o600
    while True:
        partial = f"{prefix}{secrets.token_hex(4)}.part"
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        file = os.fdopen(descriptor, "wb")
        try:
            _lock(descriptor, wait=True)
            if os.fstat(descriptor).st_nlink == 0:  # another process removed it before the lock
                file.close()
                continue
            if old is not None:
                _like(descriptor, old)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(partial)
            file.close()
            raise
        return partial, file


def _like(descriptor: int, old: os.stat_result) -> None:
    with suppress(OSError):  # only root gives files away, and some file systems know no owners
        os.fchown(descriptor, old.st_uid, old.st_gid)
    with suppress(OSError):
        os.fchmod(descriptor, stat.S_IMODE(old.st_mode) & 0o777)


def _remove_left(target: str) -> None:
    """Remove partial files whose process has ended: nobody holds their lock."""
    for partial in glob.glob(f"{glob.escape(_prefix(target))}*.part"):
        if not _is_partial(partial, target):
            continue
        with suppress(OSError):  # finished meanwhile, or another user's
            with open(partial, "r+b", opener=_no_link) as file:
                if _lock(file.fileno(), wait=False):
                    os.unlink(partial)


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _prefix(target: str) -> str:
    """Return the beginning of a target's partial names, cut if the target's name is too long."""
    folder, name = os.path.split(target)
    return os.path.join(folder, f".{name[:50]}.")


def _is_partial(path: str, target: str) -> bool:
    return bool(re.fullmatch(re.escape(_prefix(target)) + r"[0-9a-f]{8}\.part", path))


def _lock(descriptor: int, *, wait: bool) -> bool:
    """Lock a file while it is open; False if another process has it, or there are no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _check_kind(path: str) -> None:
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, "is a folder", path)
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(errno.EINVAL, "is not a regular file (a pipe, a device or a socket)", path)
