"""Peak device memory of one call."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any

POLL_SECONDS = 2e-4


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
