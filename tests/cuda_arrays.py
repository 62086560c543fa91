"""Arrays put on a device for the tests of kernels."""

import numpy as np


def put(array, stream):
    """Return a contiguous copy of an array on the stream's device."""
    from ally_fast import _cuda

    return _cuda.DeviceArray.from_host(np.ascontiguousarray(array), stream)


def put_view(array, stream):
    """Return a device array of the same strides as a view of an array of ours."""
    from ally_fast import _cuda

    if array.flags.c_contiguous:
        return put(array, stream)
    base = array
    while isinstance(base.base, np.ndarray):
        base = base.base
    held = _cuda.DeviceArray.from_host(base.ravel(order="K"), stream)
    offset = array.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    return _cuda.DeviceArray.foreign(
        held.pointer + offset, array.shape, array.strides, array.dtype, stream, held
    )
