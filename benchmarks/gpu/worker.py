"""Measure one group in this process: ``python -m benchmarks.gpu.worker SPEC`` (a JSON file)."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import os
import sys
from pathlib import Path

from benchmarks.gpu.peers import folder
from benchmarks.gpu.recorder import Recorder


def main(spec_path: str) -> None:
    """Read the specification, open the device, measure."""
    spec = json.loads(Path(spec_path).read_text())
    use_emulated_module()
    folder.extend_path()
    from benchmarks.gpu.device import open_device
    from benchmarks.gpu.stamp import stamp

    out = Path(spec["out"])
    stamped = stamp(spec["command"])
    marker, dropped = Path(spec["marker"]), spec["dropped"]
    recorder = Recorder(out, marker, stamped, spec["skip"], spec["seconds"], dropped)
    measure = importlib.import_module(f"benchmarks.gpu.{spec['kind']}").measure
    arguments = spec["arguments"]
    if stamped["hardware"].get("compute_capability") != "9.0" and "kernels" in arguments:
        arguments["kernels"] = [kernel for kernel in arguments["kernels"] if kernel != "sm90a"]
    if "out" in inspect.signature(measure).parameters:
        arguments["out"] = out
    measure(recorder, open_device(), **arguments)


def use_emulated_module() -> None:
    """Let ``ALLY_FAST_EMULATED_CUDA`` take the place of the CUDA module, for dry runs."""
    if path := os.environ.get("ALLY_FAST_EMULATED_CUDA"):
        spec = importlib.util.spec_from_file_location("ally_fast._cuda", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["ally_fast._cuda"] = module
        spec.loader.exec_module(module)


if __name__ == "__main__":
    main(sys.argv[1])
