"""A checkpoint on the disk: whole, and as it was written, or refused."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from typing import Any

from ally_fast.files import check_output, whole_file
from ally_fast.primal_dual._torch import torch

# A file: this line, the digest of all that follows, and what torch.save wrote.
_MAGIC, _FORMAT = b"ally_fast checkpoint ", b"2\n"
_DIGEST_BYTES = 32
# What torch.save writes is a zip archive; format 1 was that alone.
_ZIP = b"PK\x03\x04"


class Checkpoint:
    """A file that holds tensors, numbers, strings, and lists and mappings of them.

    Parameters
    ----------
    path : path

    Raises
    ------
    OSError
        If no file can be written there.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        check_output(self.path, {os.path.splitext(self.path)[1].lower()}, force=True)
        self._readable = False

    def exists(self) -> bool:
        """Return whether there is such a file."""
        return os.path.exists(self.path)

    def write(self, state: dict[str, Any]) -> None:
        """Write the file whole, in place of the one before.

        Raises
        ------
        ValueError
            If `state` holds what could not be read back, such as a user's own class.
        """
        buffer = io.BytesIO()
        torch.save(state, buffer)
        payload = buffer.getbuffer()
        if not self._readable:
            self._parse(payload)
            self._readable = True
        with whole_file(self.path, force=True) as file:
            file.write(_MAGIC + _FORMAT + _digest(payload))
            file.write(payload)

    def read(self) -> dict[str, Any]:
        """Return what was written, tensors on the CPU.

        Raises
        ------
        ValueError
            If it is no checkpoint of this format, or is not what was written.
        """
        with open(self.path, "rb") as file:
            content = memoryview(file.read())
        begin = len(_MAGIC) + len(_FORMAT)
        head, digest = bytes(content[:begin]), content[begin : begin + _DIGEST_BYTES]
        payload = content[begin + _DIGEST_BYTES :]
        if head.startswith(_ZIP):
            raise ValueError(
                f"checkpoint: {self.path} has no checksum: an earlier version wrote it, or another "
                "program; needs another file, or none, to begin anew"
            )
        if not head.startswith(_MAGIC):
            raise ValueError(f"checkpoint: {self.path} is no checkpoint, or is damaged")
        if head[len(_MAGIC) :] != _FORMAT:
            raise ValueError(
                f"checkpoint: {self.path} is of another format than {_FORMAT.decode().strip()}, "
                "or is damaged"
            )
        if bytes(digest) != _digest(payload):
            raise ValueError(
                f"checkpoint: {self.path} is damaged or cut short: its checksum is not that of "
                "what it holds"
            )
        return self._parse(payload)

    def _parse(self, payload: memoryview) -> dict[str, Any]:
        try:
            state: dict[str, Any] = torch.load(
                io.BytesIO(payload), map_location="cpu", weights_only=True
            )
        except pickle.UnpicklingError as error:
            reason = str(error).partition("\n")[0][:100]
            raise ValueError(
                f"checkpoint: {self.path}: the state of the model or the optimizer cannot be read "
                f"back by torch.load(weights_only=True): {reason}"
            ) from error
        return state


def _digest(payload: memoryview) -> bytes:
    return hashlib.blake2b(payload, digest_size=_DIGEST_BYTES).digest()
