"""Choose the devices that do the work."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from typing import Any

_PATTERN = re.compile(r"cuda:\d+")
_NEEDED = "'auto', 'cpu', 'cuda', 'cuda:N', or several such as 'cuda:0,cuda:1'"
# The oldest driver that runs what this toolkit compiles.
_OLDEST_DRIVER = {13: "580", 12: "525"}
_LEAST_CAPABILITY = (8, 0)


def cuda_module() -> Any:
    """Return ``ally_fast._cuda``.

    Raises
    ------
    RuntimeError
        If it is not built, or no device can be used; the message says why in one sentence.
    """
    try:
        cuda = importlib.import_module("ally_fast._cuda")
    except ModuleNotFoundError:
        raise RuntimeError(
            "this installation of ally-fast was built without CUDA: build it where nvcc 12 or "
            "later is found"
        ) from None
    except ImportError as error:
        raise RuntimeError(f"the CUDA module of ally-fast cannot be loaded: {error}") from error
    if cuda.is_available():
        return cuda
    if cuda.driver_version() is None:
        raise RuntimeError("no NVIDIA driver was found")
    major = int(cuda.runtime_version().split(".")[0])
    if int(cuda.driver_version().split(".")[0]) < major:
        raise RuntimeError(
            f"the NVIDIA driver is too old: it knows CUDA {cuda.driver_version()}, this build "
            f"needs CUDA {major} (driver {_OLDEST_DRIVER.get(major, 'newer')} or later)"
        )
    raise RuntimeError(f"no CUDA device can be used ({cuda.status()})")


def choose_devices(device: Any, data_device: str = "cpu") -> tuple[str, ...]:
    """Return the devices that will compute: ``("cpu",)``, or CUDA devices such as ``("cuda:0",)``.

    "auto" follows the embeddings: a GPU works on the rows in its memory, the CPU on all others.

    Parameters
    ----------
    device : str or sequence of str
        "auto", "cpu", "cuda" (the embeddings' device, else the first), "cuda:N", or several.
    data_device : str
        Where the embeddings are: "cpu" or "cuda:N".

    Raises
    ------
    ValueError
        If `device` is none of these, names a device twice, or is not where the embeddings are.
    RuntimeError
        If you ask for a GPU that cannot be used; there is no silent fallback.
    """
    names = _names(device)
    if names == ["auto"]:
        names = [data_device]
    elif names == ["cuda"]:
        names = [data_device if data_device != "cpu" else "cuda:0"]
    if names == ["cpu"]:
        if data_device != "cpu":
            raise ValueError(
                f"device: got 'cpu', but the embeddings are on {data_device}; move them to the CPU "
                "first, or leave device='auto'"
            )
        return ("cpu",)
    if len(set(names)) < len(names) or not all(_PATTERN.fullmatch(name) for name in names):
        raise ValueError(f"device: got {device!r}, needs {_NEEDED}")
    if data_device != "cpu" and names != [data_device]:
        raise ValueError(
            f"device: got {device!r}, but the embeddings are on {data_device}, where they stay"
        )
    try:
        cuda = cuda_module()
    except RuntimeError as error:
        raise RuntimeError(f"device: got {device!r}, but {error}") from None
    count = cuda.device_count()
    for name in names:
        if device_number(name) >= count:
            raise RuntimeError(f"device: got {name!r}, but there are {count} CUDA devices, 0 first")
        facts = cuda.devices()[device_number(name)]
        if facts["compute_capability"] < _LEAST_CAPABILITY:
            got, least = (
                ".".join(map(str, c)) for c in (facts["compute_capability"], _LEAST_CAPABILITY)
            )
            raise RuntimeError(
                f"device: got {name!r}, but {facts['name']} has compute capability {got}, for "
                f"which this build has no code; needs {least} or later"
            )
    return tuple(names)


def _names(device: Any) -> list[str]:
    names = device.split(",") if isinstance(device, str) else device
    if not isinstance(names, Sequence) or not names or not all(isinstance(n, str) for n in names):
        raise ValueError(f"device: got {device!r}, needs {_NEEDED}")
    return [name.strip() for name in names]


def device_number(name: str) -> int:
    """Return the N of "cuda:N"."""
    return int(name.partition(":")[2])
