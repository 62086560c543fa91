"""A pool over any array: NumPy, a memory map, a CPU tensor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ally_fast.arrays import as_array
from ally_fast.pools.host_pool import HostPool
from ally_fast.pools.mapped_file import MappedFile
from ally_fast.pools.pool import computable
from ally_fast.rows import Rows


class ArrayPool(HostPool):
    """Serve the rows of a two-dimensional array, which is never copied as a whole.

    Parameters
    ----------
    embeddings : array, shape (n, d)
        A NumPy array, ``np.memmap``, anything with ``__dlpack__``, or nested sequences. Elements
        are float16, bfloat16, float32, float64 or integers, with any strides and byte order.
    name : str
        The argument's name, for messages.

    Raises
    ------
    TypeError
        If the array does not hold real numbers.
    ValueError
        If the array is not two-dimensional, or not in CPU memory.

    Notes
    -----
    ``read`` returns views. Rows that the core cannot compute on in place (integers, another byte
    order, unaligned rows) are converted a chunk at a time. If the array is a memory map, or a view
    of one, each ``read`` and ``gather`` checks the file and raises ValueError if it has changed.

    Examples
    --------
    >>> import numpy as np
    >>> pool = ArrayPool(np.arange(6, dtype=np.int8).reshape(3, 2))
    >>> pool.n, pool.d, pool.dtype_name
    (3, 2, 'int8')
    >>> pool.read(1, 3).array
    array([[2., 3.],
           [4., 5.]], dtype=float32)
    """

    def __init__(self, embeddings: Any, name: str = "embeddings") -> None:
        view = as_array(embeddings, name, ndim=2)
        self._array = view.array
        self._file = MappedFile.under(view.array)
        self._bf16 = view.bf16
        self.family = view.family
        self.n, self.d = view.array.shape
        self.dtype_name = view.dtype_name
        self.itemsize = view.array.dtype.itemsize

    def read(self, lo: int, hi: int) -> Rows:
        """Return rows ``lo`` to ``hi`` (exclusive), as a view if possible."""
        self.check()
        return computable(self._array[lo:hi], self._bf16)

    def gather(self, indices: NDArray[np.int64]) -> Rows:
        """Return a copy of the rows at sorted pool `indices`."""
        self.check()
        rows = computable(self._array[indices], self._bf16)
        self.check()
        return rows

    def check(self) -> None:
        """Raise ValueError if the rows lie in a memory-mapped file that has changed."""
        if self._file is not None:
            self._file.check()

    def __getstate__(self) -> dict[str, Any]:
        """Return the state to pickle; it holds the rows themselves, and no file."""
        return {**self.__dict__, "_file": None}
