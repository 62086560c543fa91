"""``ally-fast info``: what this installation can do on this machine."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import numpy as np

from ally_fast import _cpu, _settings
from ally_fast._version import __version__
from ally_fast.cli.standard_output import show
from ally_fast.device import cuda_module

# Each engine, and the distributions that provide it.
_ENGINES = {
    "faiss": ("faiss-cpu", "faiss-gpu", "faiss-gpu-cu12", "faiss"),
    "sklearn": ("scikit-learn",),
}
_PACKAGES = {name: (name,) for name in ("matplotlib", "pyarrow", "torch")}


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add the command to the parser's list of commands."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "info",
        help="show the build, instruction sets, devices and engines",
        description="Show what this installation can do on this machine.",
    )
    parser.add_argument("--json", action="store_true", help="print the facts as one JSON object")
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    facts = installation()
    show(json.dumps(facts) if arguments.json else _text(facts))


def installation() -> dict[str, Any]:
    """Return what is installed and what this machine can run, ready for JSON.

    No optional package is imported; versions come from package metadata.
    """
    build = _cpu.build_info()
    return {
        "version": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "build": {name: build[name] for name in ("compiler", "flags")},
        "isas_compiled": list(build["isas"]),
        "isas_runnable": _cpu.isas(),
        "isa": _settings.isa(),
        "threads": _settings.threads(),
        "cuda": _cuda(),
        "engines": {"native": __version__, **_versions(_ENGINES)},
        "packages": _versions(_PACKAGES),
        "data_folder": os.environ.get("ALLY_FAST_DATA") or None,
    }


def _versions(packages: Mapping[str, tuple[str, ...]]) -> dict[str, str | None]:
    return {name: _version(distributions) for name, distributions in packages.items()}


def _version(distributions: tuple[str, ...]) -> str | None:
    for distribution in distributions:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return None


def _cuda() -> dict[str, Any]:
    try:
        cuda = importlib.import_module("ally_fast._cuda")
    except ImportError as error:
        built = not isinstance(error, ModuleNotFoundError)
        return {"built": built, "status": str(error) if built else "not built", "devices": []}
    try:
        cuda_module()
        status = "ready"
    except RuntimeError as error:
        status = f"{error}; the CPU does all the work"
    return {
        "built": True,
        "status": status,
        "compiled": cuda.compiled_for(),
        "runtime": cuda.runtime_version(),
        "driver": cuda.driver_version(),
        "devices": cuda.devices(),
    }


def _text(facts: dict[str, Any]) -> str:
    def listed(versions: dict[str, str | None]) -> str:
        return ", ".join(f"{name} {version or '(absent)'}" for name, version in versions.items())

    cuda = facts["cuda"]
    devices = [
        f"cuda:{number} {device['name']}, {device['total_memory_bytes'] / 2**30:.0f} GiB, "
        f"sm_{''.join(map(str, device['compute_capability']))}"
        for number, device in enumerate(cuda["devices"])
    ]
    compiled = [
        isa if isa in facts["isas_runnable"] else f"{isa} (not on this machine)"
        for isa in facts["isas_compiled"]
    ]
    versions = ""
    if "runtime" in cuda:
        versions = f"runtime {cuda['runtime']}, driver {cuda['driver'] or 'none'}: "
    lines = {
        "ally-fast": f"{facts['version']} (Python {facts['python']}, NumPy {facts['numpy']})",
        "build": f"{facts['build']['compiler']}, {facts['build']['flags']}",
        "compiled for": ", ".join(compiled),
        "runs": f"{facts['isa']}, {facts['threads']} threads",
        "CUDA": f"{versions}{cuda['status']}",
        "CUDA code": cuda.get("compiled", "none"),
        "devices": "; ".join(["cpu", *devices]),
        "engines": listed(facts["engines"]),
        "packages": listed(facts["packages"]),
        "data folder": facts["data_folder"] or "none (ALLY_FAST_DATA is not set)",
    }
    return "\n".join(f"{name:<14}{value}" for name, value in lines.items())
