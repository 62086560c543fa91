"""What a GPU row was measured on: device, driver, versions, source."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from functools import cache
from importlib import metadata
from typing import Any

from benchmarks import machine
from benchmarks.machine import ROOT

PACKAGES = ("torch", "triton", "flash-kmeans", "flashlib", "fastkmeans", "faiss-gpu", "cuvs-cu13")


def stamp(command: str) -> dict[str, Any]:
    """Return the fields every row of this run shares.

    ``commit`` is that of the checkout, else of ``ALLY_FAST_COMMIT`` (a copy of a working tree has
    no history); ``build`` is a digest of the sources that run.
    """
    source = machine.source()
    if source["commit"] is None and (commit := os.environ.get("ALLY_FAST_COMMIT")):
        source |= {"commit": commit, "dirty": os.environ.get("ALLY_FAST_DIRTY", "0") != "0"}
    return {
        "hardware": {**machine.hardware(), **gpu()},
        "versions": {**machine.versions(), **versions()},
        **source,
        "build": source_digest(),
        "command": command,
        "threads": machine.cores(),
    }


@cache
def gpu() -> dict[str, Any]:
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


def versions() -> dict[str, str]:
    """List the versions of what takes part on a GPU."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def source_digest() -> str:
    """Digest what is compiled and what calls it."""
    files = [ROOT / "setup.py", *(ROOT / "ally_fast").rglob("*.py")]
    files += [path for path in (ROOT / "csrc").rglob("*") if path.suffix in (".h", ".cpp", ".cu")]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
