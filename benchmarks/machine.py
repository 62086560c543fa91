"""What a row was measured on: hardware, versions, source."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "numpy",
    "scikit-learn",
    "faiss-cpu",
    "superkmeans",
    "scikit-activeml",
    "scipy",
    "threadpoolctl",
    "torch",
    "triton",
    "flash-kmeans",
    "flashlib",
    "fastkmeans",
    "faiss-gpu",
    "cuvs-cu13",
)
FLAGS = re.compile(r"^(avx\w*|amx\w*|fma|f16c)$")


def hardware() -> dict[str, object]:
    """Describe the processor and the memory.

    Returns
    -------
    dict
        ``cpu``, ``cores``, ``flags`` (vector instructions only), ``memory_bytes``, ``system``.
    """
    model, flags = platform.processor() or platform.machine(), []
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    if found := re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE):
        model = found.group(1).strip()
    if found := re.search(r"^flags\s*:\s*(.+)$", text, re.MULTILINE):
        flags = sorted(flag for flag in found.group(1).split() if FLAGS.match(flag))
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": model,
        "family": _cpu_numbers(text),
        "cores": cores(),
        "flags": flags,
        "memory_bytes": pages,
        "system": f"{platform.system()} {platform.machine()}",
    }


def _cpu_numbers(text: str) -> str:
    """Return "family/model/stepping": virtual machines often hide the marketing name."""
    names = ("cpu family", "model", "stepping")
    found = [re.search(rf"^{name}\s*:\s*(\d+)$", text, re.MULTILINE) for name in names]
    return "/".join(match.group(1) if match else "?" for match in found)


def cores() -> int:
    """Count the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def slug() -> str:
    """Name this machine as a folder, for example "amd-epyc-25-17-2-cores"."""
    info = hardware()
    family = "-".join(str(info["family"]).split("/")[:2])
    name = re.sub(r"\(r\)|\(tm\)|cpu|processor|@.*$", "", str(info["cpu"]).lower())
    return re.sub(r"[^a-z0-9]+", "-", f"{name} {family} {cores()} cores").strip("-")


def versions() -> dict[str, str]:
    """List the versions of Python and of every package that takes part."""
    found = {"python": platform.python_version()}
    for package in (*PACKAGES, "ally-fast"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _git(*arguments: str) -> str | None:
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # no git on this machine
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def source() -> dict[str, object]:
    """Name the source: commit, whether the tree differs from it, digest of what is built.

    Results, pages and figures do not count as a difference: a benchmark run writes them. A copy of
    a working tree has no history: ``ALLY_FAST_COMMIT`` and ``ALLY_FAST_DIRTY`` speak for it.

    Returns
    -------
    dict
        ``commit`` (str or None), ``dirty`` (bool), ``build`` (digest).
    """
    commit = _git("rev-parse", "--verify", "HEAD")
    outputs = (":!benchmarks/results", ":!docs", ":!README.md", ":!CHANGELOG.md")
    dirty = commit is None or bool(_git("status", "--porcelain", "--", ".", *outputs))
    if commit is None and (commit := os.environ.get("ALLY_FAST_COMMIT")):
        dirty = os.environ.get("ALLY_FAST_DIRTY", "0") != "0"
    return {"commit": commit, "dirty": dirty, "build": source_digest()}


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


def stamp(command: str, device: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Return the fields that every row of a run shares.

    Parameters
    ----------
    command : str
        What was run.
    device : mapping, optional
        What ``gpu.device.facts`` tells, where a GPU is measured.
    """
    return {
        "hardware": {**hardware(), **(device or {})},
        "versions": versions(),
        **source(),
        "command": command,
        "threads": cores(),
    }
