"""A plugin of pytest that writes down each test as it begins and ends.

Lines of JSON go to the file ``ALLY_FAST_RECORD``, which several processes may share; each names
its ``ALLY_FAST_RECORD_RUN``. ``ALLY_FAST_RECORD_MARKER`` is touched, so that a watcher sees how
long a test takes. When a failed test leaves a device that does not answer, no other is run. After
``ALLY_FAST_RECORD_SECONDS``, for tools that make kernels a hundred times slower, neither.
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


def _write(test: str, outcome: str, message: str = "", seconds: float = 0.0) -> None:
    Path(os.environ["ALLY_FAST_RECORD_MARKER"]).touch()
    line = {"run": os.environ["ALLY_FAST_RECORD_RUN"], "test": test, "outcome": outcome}
    line |= {"message": " ".join(message.split())[:LONGEST], "seconds": seconds}
    with open(os.environ["ALLY_FAST_RECORD"], "ab", buffering=0) as file:
        file.write(json.dumps(line).encode() + b"\n")


def pytest_sessionstart(session: Any) -> None:
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
    _write(nodeid, "begun")


def pytest_runtest_logreport(report: Any) -> None:
    if report.when == "call" or report.outcome != "passed":
        crash = getattr(report.longrepr, "reprcrash", None)
        message = crash.message if crash else str(report.longrepr or "")
        _write(report.nodeid, report.outcome, message, report.duration)
    if report.outcome == "failed" and (why := _silence()):
        _write(report.nodeid, "broken", why)
        _state["session"].shouldstop = f"the device does not answer any more: {why}"
    elif time.monotonic() > _state["end"]:
        _state["session"].shouldstop = "out of time"


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
