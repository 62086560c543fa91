"""The origin of rows: versions, source, machine."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from ally_fast._version import __version__
from ally_fast.primal_dual._torch import torch


def stamp() -> dict[str, Any]:
    """Return versions, the commit if the package is in a checkout, and the machine."""
    return {
        "versions": {
            "ally-fast": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "commit": _commit(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, torch with "
        f"{torch.backends.cpu.get_cpu_capability()}",
    }


def _commit() -> str | None:
    """Return the commit of this file, with a plus if the checkout has changes."""
    here = str(Path(__file__).parent)
    try:
        process = subprocess.run(
            ["git", "-C", here, "describe", "--always", "--abbrev=12", "--match=", "--dirty=+"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return process.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
