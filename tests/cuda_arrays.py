"""Arrays put on a device for the tests of kernels, and what a device must be."""

import ctypes

import numpy as np
import pytest


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


def need_hopper():
    """Skip where the first device cannot run the kernels of compute capability 9.0."""
    from ally_fast import _cuda

    major, minor = _cuda.devices()[0]["compute_capability"]
    if (major, minor) != (9, 0):
        pytest.skip(f"needs a device of compute capability 9.0, the first has {major}.{minor}")
    if not {"sm_90a", "emulated"} & set(_cuda.compiled_for().split(", ")):
        pytest.skip("this build leaves out sm_90a")


class _Tensor(ctypes.Structure):
    """DLManagedTensor of the DLPack protocol."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
    ]


_exported = []  # what capsules point to


def device_capsule(array):
    """Return a DLPack capsule of a contiguous array of floats on a device."""
    shape = (ctypes.c_int64 * array.ndim)(*array.shape)
    bits = 8 * array.dtype.itemsize
    tensor = _Tensor(
        array.pointer, 2, array.device, array.ndim, 2, bits, 1, shape, None, 0, None, None
    )
    _exported.append((tensor, shape, array))
    make = ctypes.pythonapi.PyCapsule_New
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p] * 3
    name = ctypes.cast(ctypes.c_char_p(b"dltensor"), ctypes.c_void_p)
    return make(ctypes.addressof(tensor), name, None)
