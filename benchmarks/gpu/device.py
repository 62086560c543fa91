"""The device that measures: through torch where it sees CUDA, else through our own module alone.

Without torch there is no device clock, no rival and no ceiling; that is enough for a dry run, on
emulated kernels too.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from benchmarks import datasets
from benchmarks.rows import MissingError

CHUNK_ROWS = 1 << 18
COMPONENTS = 2500


@cache
def facts() -> dict[str, Any]:
    """Describe the device: name, memory, driver, runtime, capability."""
    try:
        from ally_fast import _cuda

        facts = _cuda.devices()[0]
    except (ImportError, IndexError, RuntimeError) as error:
        return {"gpu": f"unknown ({error})"}
    major, minor = facts["compute_capability"]
    return {
        "gpu": facts["name"],
        "gpu_memory_bytes": facts["total_memory_bytes"],
        "multiprocessors": facts["multiprocessors"],
        "compute_capability": f"{major}.{minor}",
        "driver": _driver(),
        "driver_cuda": _cuda.driver_version(),
        "cuda": _cuda.runtime_version(),
    }


def _driver() -> str | None:
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return (done.stdout.split() or [None])[0] if done.returncode == 0 else None


def open_device() -> Any:
    """Return the device of this process."""
    try:
        import torch
    except ModuleNotFoundError:
        return BareDevice()
    return TorchDevice() if torch.cuda.is_available() else BareDevice()


class TorchDevice:
    """The first CUDA device, arrays as torch tensors on its current stream."""

    has_torch = True

    def __init__(self) -> None:
        import torch

        self.torch = torch
        self.held: int | None = None  # free memory before anything ran, see `memory.py`
        torch.cuda.init()
        self.name = "cuda:0"
        self._events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]

    def synchronize(self) -> None:
        """Wait for everything; raises if the device is broken."""
        self.torch.cuda.synchronize()

    def time(self, call: Callable[[], Any], clock: str) -> tuple[Any, float]:
        """Call once; return what it returned and its seconds.

        Parameters
        ----------
        call : callable
        clock : str
            "device": between two events on the stream; "wall": until everything has ended.
        """
        self.synchronize()
        if clock == "wall":
            start = time.perf_counter()
            value = call()
            self.synchronize()
            return value, time.perf_counter() - start
        first, last = self._events
        first.record()
        value = call()
        last.record()
        last.synchronize()
        return value, first.elapsed_time(last) / 1e3

    def mixture(self, n: int, d: int, seed: int, dtype: str) -> Any:
        """Draw the mixture of `datasets.mixture` (another draw of it) on the device."""
        torch = self.torch
        generator = torch.Generator(self.name).manual_seed(seed * 1_000_003 + n + d)
        make = {"generator": generator, "device": self.name}
        spectrum = (torch.arange(d, device=self.name) + 3.0) ** -0.45
        spectrum /= spectrum.square().mean().sqrt()
        centres = torch.randn(COMPONENTS, d, **make) * spectrum * 0.55**0.5
        weights = (torch.arange(COMPONENTS, device=self.name) + 20.0) ** -0.7
        spread = (0.7 + 0.6 * torch.rand(COMPONENTS, **make)) * 0.45**0.5
        rows = torch.empty(n, d, dtype=getattr(torch, dtype), device=self.name)
        for lo in range(0, n, CHUNK_ROWS):
            hi = min(n, lo + CHUNK_ROWS)
            member = torch.multinomial(weights, hi - lo, replacement=True, generator=generator)
            block = torch.randn(hi - lo, d, **make)
            block = block * spread[member, None] * spectrum + centres[member]
            rows[lo:hi] = torch.nn.functional.normalize(block, dim=1)
        return rows

    def scores(self, rows: Any, seed: int = datasets.SCORE_SEED) -> Any:
        """Draw one score per row as `datasets.dual_scores` does, float32."""
        torch = self.torch
        generator = torch.Generator(self.name).manual_seed(seed)
        lean = rows[:, 0].to(self.name, torch.float32)
        lean = (lean - lean.mean()) / lean.std().clamp_min(1e-12)
        noise = torch.randn(len(rows), generator=generator, device=self.name)
        return torch.relu(noise + 0.5 * lean + 0.5)

    def from_host(self, array: np.ndarray, dtype: str) -> Any:
        """Copy an array to the device."""
        return self.torch.from_numpy(np.ascontiguousarray(array)).to(
            self.name, getattr(self.torch, dtype)
        )

    def to_host(self, array: Any) -> np.ndarray:
        """Copy an array from the device; bfloat16 becomes float32."""
        if not isinstance(array, self.torch.Tensor):
            return array if isinstance(array, np.ndarray) else array.to_host()
        wide = array.float() if array.dtype == self.torch.bfloat16 else array
        return wide.detach().cpu().numpy()

    def take(self, rows: Any, positions: np.ndarray) -> np.ndarray:
        """Copy some rows from the device."""
        return self.to_host(rows[self.torch.from_numpy(positions).to(rows.device)])

    def view(self, array: Any) -> tuple[Any, bool]:
        """Return our view of an array, and whether it holds bfloat16."""
        from ally_fast.device_arrays import as_device_array

        found = as_device_array(array, "rows", ndim=array.ndim)
        return found.array, found.bf16

    def free_bytes(self) -> tuple[int, int]:
        """Return the bytes free on the device, and those that torch holds of the others."""
        return self.torch.cuda.mem_get_info()[0], self.torch.cuda.memory_reserved()


class BareDevice:
    """The first device of our own module, without torch."""

    has_torch = False

    def __init__(self) -> None:
        from ally_fast import _cuda

        if not _cuda.is_available():
            raise MissingError(f"no CUDA device ({_cuda.status()})")
        self._cuda = _cuda
        self.held: int | None = None
        self.name = "cuda:0"
        self._stream = _cuda.Stream(0)

    @property
    def torch(self) -> Any:
        """Torch is what this device does without."""
        raise MissingError("torch with CUDA is not there")

    def synchronize(self) -> None:
        """Wait for our stream."""
        self._stream.synchronize()

    def time(self, call: Callable[[], Any], clock: str) -> tuple[Any, float]:
        """Call once and wait; both clocks are the host's."""
        self.synchronize()
        start = time.perf_counter()
        value = call()
        self.synchronize()
        return value, time.perf_counter() - start

    def mixture(self, n: int, d: int, seed: int, dtype: str) -> Any:
        """Draw a mixture on the host and copy it."""
        return self.from_host(datasets.mixture(n, d, seed), dtype)

    def scores(self, rows: Any, seed: int = datasets.SCORE_SEED) -> Any:
        """Draw one score per row."""
        return self.from_host(datasets.dual_scores(self.to_host(rows)), "float32")

    def from_host(self, array: np.ndarray, dtype: str) -> Any:
        """Copy an array to the device."""
        return self._cuda.DeviceArray.from_host(
            np.ascontiguousarray(array.astype(dtype)), self._stream
        )

    def to_host(self, array: Any) -> np.ndarray:
        """Copy an array from the device."""
        return array if isinstance(array, np.ndarray) else array.to_host()

    def take(self, rows: Any, positions: np.ndarray) -> np.ndarray:
        """Copy some rows from the device."""
        return self.to_host(rows)[positions]

    def view(self, array: Any) -> tuple[Any, bool]:
        """Return the array itself."""
        return array, False

    def free_bytes(self) -> tuple[int, int]:
        """Return the bytes free on the device."""
        return self._cuda.memory_info(0)[0], 0
