"""Choose an engine by name and devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ally_fast import checks
from ally_fast.cluster.engine import Engine
from ally_fast.cluster.faiss_engine import FaissEngine
from ally_fast.cluster.native_engine import NativeEngine
from ally_fast.cluster.sklearn_engine import SklearnEngine

if TYPE_CHECKING:
    from ally_fast._cuda import Stream

ENGINES = ("auto", "native", "faiss", "sklearn")


def choose_engine(
    name: Any, devices: tuple[str, ...] = ("cpu",), stream: Stream | None = None
) -> Engine:
    """Return the engine of that name on these devices; "auto" is the native one.

    `stream` is that of embeddings in device memory; None for embeddings in host memory.

    Raises
    ------
    ValueError
        If no engine has that name, or the engine cannot use these devices.
    ImportError
        If the engine's package is not installed; the message names the extra that installs it.
    """
    checks.choice(name, "engine", ENGINES)
    if name in ("auto", "native"):
        return _native(devices, stream)
    if stream is not None:
        raise ValueError(
            f"engine: got {name!r}, which takes rows in host memory, but the embeddings are on "
            f"{devices[0]}"
        )
    if name == "faiss":
        return FaissEngine(devices)
    if devices != ("cpu",):
        raise ValueError(f"engine: got 'sklearn', which computes on the CPU, not on {devices[0]}")
    return SklearnEngine()


def _native(devices: tuple[str, ...], stream: Stream | None) -> Engine:
    if devices == ("cpu",):
        return NativeEngine()
    from ally_fast.cluster.cuda_engine import CudaEngine  # needs the CUDA module

    return CudaEngine(devices, stream)
