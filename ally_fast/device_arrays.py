"""Arrays of any library in the memory of a CUDA device."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.arrays import Family, decoded, is_torch
from ally_fast.device import cuda_module, device_number
from ally_fast.memory import to_host

if TYPE_CHECKING:
    from ally_fast._cuda import DeviceArray, Stream

_DLPACK_CUDA = (2, 13)  # CUDA and CUDA managed memory
_CAI_STREAM_NONE, _CAI_STREAM_DEFAULT = None, (0, 1)


@dataclass(frozen=True, eq=False)
class DeviceView:
    """A view of an array in device memory; bfloat16 is stored as uint16, with ``bf16`` set.

    Attributes
    ----------
    array : DeviceArray
        Its stream is the caller's current one if the library has current streams. Otherwise it is a
        new stream that waits for the producer's.
    bf16 : bool
    family : Family
        Brings a NumPy array to the caller's library, on the same device.
    """

    array: DeviceArray
    bf16: bool
    family: Family

    @property
    def dtype_name(self) -> str:
        """Name of the element type as the caller stored it."""
        return "bfloat16" if self.bf16 else self.array.dtype.name


def device_of(x: Any) -> str:
    """Return where an array is: "cuda:N", or "cpu" for everything else."""
    if is_torch(x):
        return str(x.device) if x.device.type == "cuda" else "cpu"
    if hasattr(x, "__dlpack_device__") and not isinstance(x, np.ndarray):
        kind, number = x.__dlpack_device__()
        return f"cuda:{number}" if int(kind) in _DLPACK_CUDA else "cpu"
    if hasattr(x, "__cuda_array_interface__"):
        pointer = x.__cuda_array_interface__["data"][0]
        return f"cuda:{max(0, cuda_module().device_of(pointer))}"
    return "cpu"


def as_device_array(x: Any, name: str, *, ndim: int) -> DeviceView:
    """View an array in device memory, without a copy.

    Parameters
    ----------
    x : array
        A torch tensor, or anything with ``__cuda_array_interface__`` or ``__dlpack__``.
    name : str
        The argument's name, for messages.
    ndim : int
        The number of dimensions needed.

    Raises
    ------
    TypeError
        If it does not hold float16, bfloat16, float32 or float64.
    ValueError
        If it has another number of dimensions.
    RuntimeError
        If this installation cannot use its device.
    """
    try:
        cuda = cuda_module()
    except RuntimeError as error:
        raise RuntimeError(f"{name}: on {device_of(x)}, but {error}") from None
    view = _torch_view(x, name, cuda) if is_torch(x) else _other_view(x, name, cuda)
    floats = ("uint16",) if view.bf16 else ("float16", "float32", "float64")
    if view.array.dtype.name not in floats:
        raise TypeError(
            f"{name} on a GPU must hold float16, bfloat16, float32 or float64; got "
            f"{view.dtype_name}"
        )
    if view.array.ndim != ndim:
        raise ValueError(f"{name} must be {ndim}-dimensional; got shape {view.array.shape}")
    return view


def _torch_view(x: Any, name: str, cuda: Any) -> DeviceView:
    torch = sys.modules["torch"]
    x = x.detach()
    if x.layout != torch.strided:
        raise TypeError(f"{name} must be a dense tensor; got {x.layout}")
    current = torch.cuda.current_stream(x.device)
    stream = cuda.Stream.foreign(x.device.index, current.cuda_stream, current)
    bf16 = x.dtype == torch.bfloat16
    dtype = "uint16" if bf16 else str(x.dtype).removeprefix("torch.")
    size = x.element_size()
    array = cuda.DeviceArray.foreign(
        x.data_ptr(), tuple(x.shape), [step * size for step in x.stride()], dtype, stream, x
    )
    device = x.device
    return DeviceView(array, bf16, Family("torch", lambda a: torch.from_numpy(a).to(device)))


def _other_view(x: Any, name: str, cuda: Any) -> DeviceView:
    where = device_of(x)
    stream = _current_stream(x, cuda, device_number(where))
    if not _needs_handshake(x):
        facts = x.__cuda_array_interface__
        dtype = np.dtype(facts["typestr"])
        strides = facts.get("strides")
        array = cuda.DeviceArray.foreign(
            facts["data"][0], facts["shape"], [] if strides is None else strides, dtype, stream, x
        )
        return DeviceView(array, False, _family(x, stream, cuda))
    capsule = x.__dlpack__(stream=stream.handle or 1)
    try:
        array, bf16 = cuda.DeviceArray.from_dlpack(capsule, stream)
    except BufferError as error:
        raise TypeError(f"{name} must hold real numbers: {error}") from error
    return DeviceView(array, bf16, _family(x, stream, cuda))


def _needs_handshake(x: Any) -> bool:
    """Tell whether the producer must learn our stream, by DLPack, to make it wait for its own work.

    An array interface that names no stream does not say what work is under way (JAX's does not).
    """
    if not hasattr(x, "__dlpack__"):
        return False
    facts = getattr(x, "__cuda_array_interface__", None)
    return facts is None or (facts.get("stream") is None and not _is_cupy(x))


def _is_cupy(x: Any) -> bool:
    cupy = sys.modules.get("cupy")
    return cupy is not None and isinstance(x, cupy.ndarray)


def _current_stream(x: Any, cuda: Any, device: int) -> Stream:
    """Return CuPy's current stream, or a new one that waits for the stream that the array names."""
    if _is_cupy(x):
        theirs = sys.modules["cupy"].cuda.get_current_stream(device)
        current: Stream = cuda.Stream.foreign(device, theirs.ptr, theirs)
        return current
    stream: Stream = cuda.Stream(device)
    if not _needs_handshake(x):
        theirs = x.__cuda_array_interface__.get("stream")
        if theirs is not _CAI_STREAM_NONE:
            handle = 0 if theirs in _CAI_STREAM_DEFAULT else theirs
            stream.wait_for(cuda.Stream.foreign(device, handle))
    return stream


def _family(x: Any, stream: Stream, cuda: Any) -> Family:
    if _is_cupy(x):

        def to_cupy(array: NDArray[Any]) -> Any:
            with x.device:
                return sys.modules["cupy"].asarray(array)

        return Family("cupy", to_cupy)
    if hasattr(x, "__array_namespace__"):
        namespace, device = x.__array_namespace__(), x.device
        return Family(namespace.__name__, lambda a: namespace.asarray(a, device=device))

    def on_device(array: NDArray[Any]) -> Any:
        return cuda.DeviceArray.from_host(array, stream)

    return Family("device array", on_device)


def host_copy(x: Any) -> Any:
    """Return a copy in host memory if `x` is on a device (for small arrays), else `x` itself."""
    if device_of(x) == "cpu":
        return x
    if is_torch(x):
        return x.detach().cpu()
    view = _other_view(x, "array", cuda_module())
    return decoded(to_host(view.array), view.bf16)
