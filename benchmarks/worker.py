"""A process that measures: `ask` starts one, ``python -m benchmarks.worker SPEC`` is it.

A process of its own gives a measurement a fresh peak of memory, keeps the thread pools of the
libraries apart, and takes a hang or a crash along.
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import process
from benchmarks.process import Ended
from benchmarks.rows import fault


@dataclass(frozen=True)
class Answer:
    """How the process ended, what it measured, and the status and reason of rows if nothing."""

    ended: Ended
    results: Any = None
    status: str = "ok"
    reason: str = ""


def ask(
    spec: dict[str, Any],
    scratch: Path,
    seconds: float,
    *,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    watch: Callable[[], str | None] = lambda: None,
) -> Answer:
    """Run ``measure(spec)`` of the module that the specification names.

    Parameters
    ----------
    spec : dict
        What `measure` is told, and its ``module``; JSON.
    scratch : Path
        An empty folder.
    seconds, env, watch
        As `process.run` takes them.
    log : Path, optional
        Where output is added; by default a file in `scratch`.
    """
    path, answer, log = scratch / "spec.json", scratch / "answer.json", log or scratch / "log"
    path.write_text(json.dumps({**spec, "answer": str(answer)}))
    command = [sys.executable, "-m", "benchmarks.worker", str(path)]
    ended = process.run(command, log, seconds, env=env, watch=watch)
    if answer.is_file():
        return Answer(ended, **json.loads(answer.read_text()))
    if ended.stopped:
        return Answer(ended, None, "skipped", ended.stopped)
    last = process.last_line(log)
    return Answer(ended, None, "failed", f"exit status {ended.code}: {last}")


def main(spec_path: str) -> None:
    """Read the specification, measure, write the results or the reason there are none."""
    spec = json.loads(Path(spec_path).read_text())
    told: dict[str, Any]
    try:
        told = {"results": importlib.import_module(spec["module"]).measure(spec)}
    except Exception as error:
        traceback.print_exc()
        told = dict(zip(("status", "reason"), fault(error), strict=True))
    partial = Path(spec["answer"]).with_suffix(".partial")  # it may be killed while it writes
    partial.write_text(json.dumps(told))
    partial.replace(spec["answer"])


if __name__ == "__main__":
    main(sys.argv[1])
