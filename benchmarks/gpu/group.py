"""The measurements of one group, in a worker of its own."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.gpu.peers import folder
from benchmarks.gpu.recorder import Recorder


def measure(spec: dict[str, Any]) -> None:
    """Open the device and measure; rows are written as they come."""
    use_emulated_module()
    folder.extend_path()
    from benchmarks.gpu.device import facts, open_device

    stamp = machine.stamp(spec["command"], facts())
    marker, dropped = Path(spec["marker"]), spec["dropped"]
    recorder = Recorder(Path(spec["out"]), marker, stamp, spec["skip"], spec["seconds"], dropped)
    kind = importlib.import_module(f"benchmarks.gpu.{spec['kind']}")
    arguments = spec["arguments"]
    if stamp["hardware"].get("compute_capability") != "9.0" and "kernels" in arguments:
        arguments["kernels"] = [kernel for kernel in arguments["kernels"] if kernel != "sm90a"]
    kind.measure(recorder, open_device(), kind.Work(**arguments))


def use_emulated_module() -> None:
    """Let ``ALLY_FAST_EMULATED_CUDA`` take the place of the CUDA module, for dry runs."""
    if path := os.environ.get("ALLY_FAST_EMULATED_CUDA"):
        spec = importlib.util.spec_from_file_location("ally_fast._cuda", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["ally_fast._cuda"] = module
        spec.loader.exec_module(module)
