"""Run one job in this process: ``python -m benchmarks.worker SPEC RESULT`` (two JSON files).

A process of its own gives every measurement a fresh peak of memory and keeps the thread pools of
the libraries apart.
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from pathlib import Path
from typing import Any

from benchmarks.datasets import DataMissingError


def main(spec_path: str, result_path: str) -> None:
    """Read the specification, measure, write the results or the reason there are none."""
    spec = json.loads(Path(spec_path).read_text())
    result: Any
    try:
        result = importlib.import_module(spec["module"]).measure(spec)
    except DataMissingError as error:
        result = {"skipped": str(error)}
    except ModuleNotFoundError as error:
        result = {"skipped": f"{error.name} is not installed"}
    except Exception as error:
        traceback.print_exc()
        result = {"failed": f"{type(error).__name__}: {error}"}
    Path(result_path).write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:3])
