"""Whether there is a GPU."""

from __future__ import annotations

import ctypes

NO_GPU = "no GPU: {why}; `make gpu` needs an NVIDIA GPU and its driver, and did nothing"


def why_no_gpu() -> str | None:
    """Return why no NVIDIA GPU can be used, or None where there is one.

    Asks the driver's library itself: nothing has to be built or installed for it.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "the NVIDIA driver's library libcuda.so.1 is not there"
    count = ctypes.c_int(0)
    if (code := driver.cuInit(0)) or (code := driver.cuDeviceGetCount(ctypes.byref(count))):
        return f"the NVIDIA driver answers with error {code}"
    return None if count.value else "the NVIDIA driver sees no device"


def capability() -> tuple[int, int]:
    """Return the compute capability of the first device."""
    driver = ctypes.CDLL("libcuda.so.1")
    driver.cuInit(0)
    numbers = []
    for attribute in (75, 76):  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR
        value = ctypes.c_int(0)
        driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, 0)
        numbers.append(value.value)
    return numbers[0], numbers[1]
