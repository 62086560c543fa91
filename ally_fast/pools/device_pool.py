"""A pool over an array in the memory of a CUDA device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.device_arrays import as_device_array
from ally_fast.pools.host_pool import HostPool
from ally_fast.rows import Rows

if TYPE_CHECKING:
    from ally_fast._cuda import Stream


class DevicePool(HostPool):
    """Serve the rows of a two-dimensional array in device memory, never copied as a whole.

    Parameters
    ----------
    embeddings : array, shape (n, d)
        A torch tensor, or anything with ``__cuda_array_interface__`` or ``__dlpack__``. Elements
        are float16, bfloat16, float32 or float64, with any strides.
    name : str
        The argument's name, for messages.

    Raises
    ------
    TypeError, ValueError
        If the array does not hold floating-point numbers, or is not two-dimensional.
    RuntimeError
        If this installation cannot use the array's device.
    """

    def __init__(self, embeddings: Any, name: str = "embeddings") -> None:
        view = as_device_array(embeddings, name, ndim=2)
        self.rows = Rows(view.array, view.bf16)
        self.family = view.family
        self.n, self.d = view.array.shape
        self.dtype_name = view.dtype_name
        self.itemsize = view.array.dtype.itemsize
        self.device = f"cuda:{view.array.device}"
        self.stream: Stream | None = view.array.stream

    def read(self, lo: int, hi: int) -> Rows:
        """Return rows ``lo`` to ``hi`` (exclusive), as a view in device memory."""
        return Rows(self.rows.array[lo:hi], self.rows.bf16)

    def gather(self, indices: NDArray[np.int64]) -> Rows:
        """Return a copy of the rows at sorted pool `indices`, in host memory."""
        array = self.rows.array
        positions = type(array).from_host(np.asarray(indices, np.int64), array.stream)
        return Rows(array.take(positions).to_host(), self.rows.bf16)
