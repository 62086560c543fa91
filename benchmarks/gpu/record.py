"""A pytest plugin that writes down each test as it begins and ends: ``-p benchmarks.gpu.record``.

Lines of JSON go to the file ``ALLY_FAST_RECORD``, which several processes may share; each names
its ``ALLY_FAST_RECORD_RUN``. ``ALLY_FAST_RECORD_MARKER`` is touched as well, so that a watcher
sees how long the current test takes. When a failed test leaves a device that does not answer, no
other test is run. After ``ALLY_FAST_RECORD_SECONDS``, for tools that make kernels a hundred times
slower, nothing is begun either, and Hypothesis tries three examples each.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

LONGEST = 400  # of a message
_state: dict[str, Any] = {}


def _write(test: str, outcome: str, **more: Any) -> None:
    Path(os.environ["ALLY_FAST_RECORD_MARKER"]).touch()
    line = {"run": os.environ["ALLY_FAST_RECORD_RUN"], "test": test, "outcome": outcome, **more}
    with open(os.environ["ALLY_FAST_RECORD"], "ab", buffering=0) as file:
        file.write(json.dumps(line).encode() + b"\n")


def pytest_sessionstart(session: Any) -> None:
    """Note the session, and start the clock."""
    limit = float(os.environ.get("ALLY_FAST_RECORD_SECONDS", "inf"))
    _state.update(session=session, end=time.monotonic() + limit)


def pytest_collection_finish() -> None:
    """Let Hypothesis try few examples where time is short."""
    if "ALLY_FAST_RECORD_SECONDS" in os.environ and "hypothesis" in sys.modules:
        settings = sys.modules["hypothesis"].settings
        few = {"max_examples": 3, "deadline": None, "derandomize": True, "database": None}
        settings.register_profile("few", **few)
        settings.load_profile("few")


def pytest_runtest_logstart(nodeid: str) -> None:
    """Name the test before it runs."""
    _write(nodeid, "begun")


def pytest_runtest_logreport(report: Any) -> None:
    """Tell how it ended, and whether the device still answers."""
    if report.when == "call" or report.outcome != "passed":
        message = "" if report.outcome == "passed" else _message(report)
        _write(report.nodeid, report.outcome, seconds=report.duration, message=message)
    if report.outcome == "failed" and (why := _silence()):
        _write(report.nodeid, "broken", message=why)
        _state["session"].shouldstop = f"the device does not answer any more: {why}"
    elif time.monotonic() > _state["end"]:
        _state["session"].shouldstop = "out of time"


def _message(report: Any) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else str(report.longrepr)
    return " ".join(text.split())[:LONGEST]


def _silence() -> str:
    """Return what the device says when it is waited for, nothing if it answers."""
    cuda = sys.modules.get("ally_fast._cuda")
    if cuda is None or not cuda.is_available():
        return ""
    try:
        cuda.Stream(0).synchronize()
    except RuntimeError as error:
        return str(error)
    return ""
