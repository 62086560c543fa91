"""What the device can do, measured with torch: the ceilings beside every rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.gpu import rates
from benchmarks.gpu.race import Contestant, race
from benchmarks.gpu.recorder import Recorder
from benchmarks.rows import Row


@dataclass(frozen=True)
class Work:
    """A buffer that is copied (bytes read and written count), a square product of random numbers.

    And the bytes of a pinned buffer.
    """

    copy_bytes: int
    matmul_size: int
    upload_bytes: int


def measure(recorder: Recorder, device: Any, work: Work) -> None:
    """Measure a device-to-device copy, matrix products, and a copy from pinned memory."""
    copied, size, sent = work.copy_bytes, work.matmul_size, work.upload_bytes
    kinds = {
        rates.COPY: (lambda: _copy(device, copied), 2.0 * copied, copied),
        rates.MATMUL16: (lambda: _matmul(device, size, True), 2.0 * size**3, 0),
        rates.MATMUL32: (lambda: _matmul(device, size, False), 2.0 * size**3, 0),
        rates.UPLOAD: (lambda: _upload(device, sent), float(sent), sent),
    }
    for setting, (prepare, amount, bytes_) in kinds.items():
        row = recorder.row("gpu_ceiling", "torch", setting, n=bytes_ or size, dtype=_dtype(setting))

        def finish(measured: Row, amount: float = amount) -> None:
            best = min(measured.seconds)
            measured.extra["per_second"] = amount / (measured.seconds_median or best)
            measured.extra["best_per_second"] = amount / best

        entry = Contestant(row, prepare, lambda value: None, repeats=20)
        race(recorder, device, [entry], budget_seconds=4.0, finish=finish)


def _dtype(setting: str) -> str:
    return {rates.MATMUL16: "float16", rates.MATMUL32: "float32"}.get(setting, "uint8")


def _copy(device: Any, size: int) -> Any:
    torch = device.torch
    source = torch.randint(0, 255, (size,), dtype=torch.uint8, device=device.name)
    target = torch.empty_like(source)
    return lambda: target.copy_(source)


def _matmul(device: Any, size: int, half: bool) -> Any:
    torch = device.torch
    dtype = torch.float16 if half else torch.float32
    a, b = (torch.randn(size, size, device=device.name).to(dtype) for _ in range(2))

    def call() -> Any:
        allowed = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = True
        try:
            return a @ b
        finally:
            torch.backends.cuda.matmul.allow_tf32 = allowed

    return call


def _upload(device: Any, size: int) -> Any:
    torch = device.torch
    target = torch.randint(0, 255, (size,), dtype=torch.uint8, device=device.name)
    source = torch.empty(size, dtype=torch.uint8, pin_memory=True).copy_(target)
    return lambda: target.copy_(source, non_blocking=True)
