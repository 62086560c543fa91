"""Peak memory of a stretch of code: resident in this process (Linux), and of the device."""

from __future__ import annotations

import resource
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
POLL_SECONDS = 2e-4  # of the free memory of a device


def _status_bytes(field: str) -> int | None:
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return None


class PeakMemory:
    """Peak resident bytes between ``start`` and ``stop``.

    The kernel's high-water mark is set back at the start, so that loading the data does not
    count. Where it cannot be (not Linux, no permission) the mark of the whole process is
    reported and ``exact`` is False.
    """

    def __init__(self) -> None:
        self.exact = False
        self.before_bytes = 0
        self.peak_bytes = 0

    def start(self) -> None:
        """Set the mark back and note what is resident now."""
        try:
            CLEAR.write_text("5")
            self.exact = True
        except OSError:
            self.exact = False
        self.before_bytes = _status_bytes("VmRSS") or 0

    def stop(self) -> None:
        """Read the mark."""
        peak = _status_bytes("VmHWM")
        self.peak_bytes = peak or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    @property
    def extra_bytes(self) -> int:
        """Bytes above what was resident at the start."""
        return max(self.peak_bytes - self.before_bytes, 0)


class PeakDeviceMemory:
    """Largest part of the device's memory taken between entry and exit.

    Torch's allocator tells its own peak exactly; what others take (our pool, FAISS, cuVS, modules
    loaded late) is sampled as the fall of free memory, less what torch reserves. Our pool keeps
    what it has taken, so that sampling does not miss it; what it took earlier in the process is
    told by `held`.

    Parameters
    ----------
    device : TorchDevice or BareDevice
    held : int, optional
        Bytes not torch's that were taken before anything ran; by default what is taken now.
    """

    def __init__(self, device: Any, held: int | None = None) -> None:
        self._device, self._held = device, held
        self._torch = device.torch if device.has_torch else None
        self._lowest = 0
        self.extra_bytes = 0

    def _others_free(self) -> int:
        free, reserved = self._device.free_bytes()
        return free + reserved

    def _watch(self) -> None:
        while not self._over.wait(POLL_SECONDS):
            self._lowest = min(self._lowest, self._others_free())

    def __enter__(self) -> PeakDeviceMemory:
        self._device.synchronize()
        if self._torch:
            self._torch.cuda.empty_cache()
            self._torch.cuda.reset_peak_memory_stats()
            self._allocated = self._torch.cuda.memory_allocated()
        self._before = self._lowest = self._others_free()
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._watcher.join()
        if error is not None:
            return
        self._device.synchronize()
        lowest = min(self._lowest, self._others_free())
        start = self._before if self._held is None else self._held
        torchs = self._torch.cuda.max_memory_allocated() - self._allocated if self._torch else 0
        self.extra_bytes = max(start - lowest, 0) + torchs


def others_free(device: Any) -> int:
    """Return the bytes free or reserved by torch: what `held` of a later measurement needs."""
    device.synchronize()
    free, reserved = device.free_bytes()
    return int(free + reserved)
