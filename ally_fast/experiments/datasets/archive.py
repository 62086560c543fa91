"""An ``.npz`` whose arrays are known by name."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What NumPy and zipfile raise for a file that is damaged or another kind.
_BROKEN = (ValueError, EOFError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error)


def read_arrays(path: Path, names: tuple[str, ...]) -> list[NDArray[Any]]:
    """Return the arrays of these names.

    Raises
    ------
    ValueError
        If the file is no whole ``.npz``, holds Python objects, or lacks an array.
    """
    # Opened here: np.load leaves the file open where it raises.
    with path.open("rb") as file:
        try:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("a single array, not an .npz")
            with archive:
                missing = [name for name in names if name not in archive.files]
                if missing:
                    raise ValueError(f"lacks {', '.join(missing)}; needs {', '.join(names)}")
                return [archive[name] for name in names]
        except _BROKEN as error:
            raise ValueError(f"{path}: {error}") from None
