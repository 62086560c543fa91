"""Take any array, and return the caller's kind of array."""

from __future__ import annotations

import numbers
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.arrow_arrays import arrow_as_numpy, arrow_of

_HOST_DLPACK_DEVICES = {1, 3, 11, 13}  # CPU, and CUDA pinned, ROCm pinned, CUDA managed memory
_DLPACK_DEVICE_NAMES = {2: "cuda", 8: "mps", 10: "rocm", 14: "xpu"}
_FLOATS = "float16, bfloat16, float32, float64"
BFLOAT16 = np.dtype("V2")  # what NumPy finds in a file of it that ml_dtypes wrote
_LARGEST_EXACT = 2**53  # float64 holds all integers up to it


@dataclass(frozen=True)
class Family:
    """An array library, remembered so that the answer can be an array of the same library."""

    name: str
    from_numpy: Callable[[NDArray[Any]], Any]


@dataclass(frozen=True, eq=False)
class ArrayView:
    """A NumPy view of some array; bfloat16 is stored as uint16, with ``bf16`` set."""

    array: NDArray[Any]
    bf16: bool
    family: Family

    @property
    def dtype_name(self) -> str:
        """Name of the element type as the caller stored it."""
        return "bfloat16" if self.bf16 else self.array.dtype.name

    def numbers(self) -> NDArray[Any]:
        """Return the array as numbers; this decodes bfloat16, which copies."""
        return decoded(self.array, self.bf16)


def decoded(array: NDArray[Any], bf16: bool) -> NDArray[Any]:
    """Return bfloat16, stored as uint16, as float32; return any other array unchanged."""
    return (array.astype(np.uint32) << 16).view(np.float32) if bf16 else array


def beyond_float64(array: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which numbers float64 cannot hold: most of the integers beyond 2**53."""
    lost = np.zeros(array.shape, np.bool_)
    if array.dtype.kind not in "iu" or array.dtype.itemsize < 8 or not array.size:
        return lost
    if -_LARGEST_EXACT <= int(array.min()) and int(array.max()) <= _LARGEST_EXACT:
        return lost
    rounded = array.astype(np.float64)
    inside = rounded < float(2 ** (64 if array.dtype.kind == "u" else 63))
    lost[inside] = rounded[inside].astype(array.dtype) != array[inside]
    return lost | ~inside


def _unchanged(array: NDArray[Any]) -> NDArray[Any]:
    return array


NUMPY = Family("numpy", _unchanged)


def is_torch(x: Any) -> bool:
    """Tell whether `x` is a torch tensor, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def family_of(x: Any) -> Family:
    """Return the family of `x`: torch, an array-API library with its own arrays, or NumPy."""
    if is_torch(x):
        return Family("torch", sys.modules["torch"].from_numpy)
    if isinstance(x, np.ndarray | np.generic) or not hasattr(x, "__array_namespace__"):
        return NUMPY
    namespace = x.__array_namespace__()
    return Family(namespace.__name__, namespace.from_dlpack)


def to_family(array: NDArray[Any], family: Family) -> Any:
    """Return a NumPy array as an array of `family`, in the same memory if possible."""
    return family.from_numpy(array)


def as_array(x: Any, name: str, *, ndim: int | None = None, allow_bool: bool = False) -> ArrayView:
    """View any array of real numbers as a NumPy array, without a copy if it has a buffer.

    Parameters
    ----------
    x : array
        NumPy, ``np.memmap``, anything with ``__dlpack__`` or ``__array__``, Arrow arrays, columns
        of pandas and Polars, nested sequences. Strides and byte order are kept. A null among
        numbers becomes NaN.
    name : str
        The argument's name, for messages.
    ndim : int, optional
        The number of dimensions needed; None: any.
    allow_bool : bool
        Accept booleans (masks).

    Returns
    -------
    ArrayView
        The array, whether it holds bfloat16 (as uint16), and the caller's family.

    Raises
    ------
    TypeError
        If `x` does not hold real numbers.
    ValueError
        If `x` is ragged, has not `ndim` dimensions, or is in the memory of another device.
    """
    array, bf16 = _torch_as_numpy(x, name) if is_torch(x) else _other_as_numpy(x, name, ndim)
    kind = array.dtype.kind
    if not (
        kind in "iu" or (kind == "f" and array.dtype.itemsize <= 8) or (kind == "b" and allow_bool)
    ):
        got = _objects(x, array) if kind == "O" else f"dtype {array.dtype}"
        raise TypeError(f"{name} must hold real numbers ({_FLOATS} or integers); got {got}")
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name} must be {ndim}-dimensional; got shape {array.shape}")
    return ArrayView(array, bf16, family_of(x))


def _objects(x: Any, array: NDArray[Any]) -> str:
    """Say what an array of objects holds, and what to do with it."""
    if not isinstance(x, np.ndarray) and array.ndim == 0:
        kind = f"{type(x).__module__}.{type(x).__qualname__}".removeprefix("builtins.")
        return f"{kind}, needs an array" + (" or a list" if isinstance(x, Iterable) else "")
    for place, item in enumerate(array.flat):
        if isinstance(item, np.ndarray | list | tuple):
            return "objects that are arrays: np.stack(column) makes one array of them"
        if not isinstance(item, numbers.Real):
            what = "a null" if item is None or type(item).__name__ == "NAType" else type(item)
            return f"dtype object, with {what} at place {place}"
    return "dtype object, needs a dtype of numbers"


def _torch_as_numpy(x: Any, name: str) -> tuple[NDArray[Any], bool]:
    torch = sys.modules["torch"]
    _check_on_host(str(x.device), x.device.type == "cpu", name)
    x = x.detach()
    try:
        if x.dtype == torch.bfloat16:
            return np.from_dlpack(x.view(torch.int16)).view(np.uint16), True
        if x.dtype == torch.bool:
            return np.from_dlpack(x.view(torch.uint8)).view(np.bool_), False
        return np.from_dlpack(x), False
    except (BufferError, RuntimeError, TypeError) as error:
        raise TypeError(
            f"{name} must be a dense tensor of real numbers; got {x.layout}, {x.dtype} ({error})"
        ) from error


def _other_as_numpy(x: Any, name: str, ndim: int | None) -> tuple[NDArray[Any], bool]:
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{name} must not be a masked array: fill it first with .filled(value)")
    if (column := arrow_of(x, name)) is not None:
        return _exact(arrow_as_numpy(column, name, ndim), str(column.type), name), False
    if not isinstance(x, np.ndarray) and hasattr(x, "__dlpack_device__"):
        kind, number = x.__dlpack_device__()
        device = f"{_DLPACK_DEVICE_NAMES.get(int(kind), f'DLPack device {int(kind)}')}:{number}"
        _check_on_host(device, int(kind) in _HOST_DLPACK_DEVICES, name)
        if str(getattr(x, "dtype", "")) != "bfloat16":
            try:
                return np.from_dlpack(x), False
            except (BufferError, RuntimeError, TypeError, AttributeError):
                pass  # some libraries export more through __array__, which is tried next
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise ValueError(f"{name} must be a rectangular array of numbers: {error}") from error
    if array.dtype == BFLOAT16 or array.dtype.name == "bfloat16":
        return array.view(np.uint16), True
    return _exact(array, str(getattr(x, "dtype", "")), name), False


def _exact(array: NDArray[Any], stored: str, name: str) -> NDArray[Any]:
    """Return the array, if its integers lost nothing when nulls turned them into floats."""
    if array.dtype == np.float64 and stored.lower().lstrip("u").startswith("int"):
        large = np.abs(array) >= _LARGEST_EXACT
        if large.any():
            raise ValueError(
                f"{name}: integers with nulls are read as float64, which is exact below 2**53; "
                f"the first value that is not below is at place {int(large.argmax())}"
            )
    return array


def _check_on_host(device: str, on_host: bool, name: str) -> None:
    if not on_host:
        raise ValueError(
            f"{name}: is on {device}, needs the CPU; move it there, for example with .cpu()"
        )
