"""A checkpoint file, which is refused unless it is whole and unchanged."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from typing import Any

from ally_fast.files import check_output, whole_file
from ally_fast.primal_dual._torch import torch

# A file: this line, a digest of the rest, and the output of torch.save.
_MAGIC, _FORMAT = b"ally_fast checkpoint ", b"2\n"
_DIGEST_BYTES = 32
# torch.save writes a zip archive; format 1 had nothing else.
_ZIP = b"PK\x03\x04"


class Checkpoint:
    """A file that holds tensors, numbers, strings, and lists and mappings of them.

    Parameters
    ----------
    path : path

    Raises
    ------
    OSError
        If a file cannot be written at `path`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        check_output(self.path, {os.path.splitext(self.path)[1].lower()}, force=True)
        self._readable = False

    def exists(self) -> bool:
        """Return whether the file exists."""
        return os.path.exists(self.path)

    def write(self, state: dict[str, Any]) -> None:
        """Replace the file as a whole.

        Raises
        ------
        ValueError
            If `state` holds something that cannot be read back, such as a class of your own.
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
        """Return the state that was written, with tensors on the CPU.

        Raises
        ------
        ValueError
            If the file is not a checkpoint of this format, or has changed since it was written.
        """
        with open(self.path, "rb") as file:
            content = memoryview(file.read())
        begin = len(_MAGIC) + len(_FORMAT)
        head, digest = bytes(content[:begin]), content[begin : begin + _DIGEST_BYTES]
        payload = content[begin + _DIGEST_BYTES :]
        if head.startswith(_ZIP):
            raise ValueError(
                f"checkpoint: {self.path} has no checksum: an earlier version or another program "
                "wrote it; to start again, delete the file or name another one"
            )
        if not head.startswith(_MAGIC):
            raise ValueError(f"checkpoint: {self.path} is not a checkpoint, or is damaged")
        if head[len(_MAGIC) :] != _FORMAT:
            raise ValueError(
                f"checkpoint: {self.path} is damaged, or its format is not "
                f"{_FORMAT.decode().strip()}"
            )
        if bytes(digest) != _digest(payload):
            raise ValueError(
                f"checkpoint: {self.path} is damaged or cut short: its checksum does not match its "
                "content"
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
                f"checkpoint: {self.path}: torch.load(weights_only=True) cannot read back the "
                f"state of the model or the optimizer: {reason}"
            ) from error
        return state


def _digest(payload: memoryview) -> bytes:
    return hashlib.blake2b(payload, digest_size=_DIGEST_BYTES).digest()
