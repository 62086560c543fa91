"""A pytest plugin that runs few, small tests: the first of each file, then the second.

For tools that make kernels a hundred times slower. It stops after ``ALLY_FAST_SMALL_TESTS_SECONDS``
seconds (of the tests, collecting not counted), says how many tests ran, and lets Hypothesis try
three examples each. Load it with ``-p benchmarks.gpu.small_tests``.
"""

from __future__ import annotations

import os
import re
import time
from collections import defaultdict
from itertools import chain, zip_longest
from typing import Any

LARGE = re.compile(r"large|million|huge|slow|2_31|2\^31|demo|benchmark", re.IGNORECASE)
_began: list[float] = []
_ran: list[str] = []


def in_turn(items: list[Any], key: Any) -> list[Any]:
    """Take the first of each group, then the second of each, in the order of the groups."""
    groups = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    turns = chain.from_iterable(zip_longest(*groups.values()))
    return [item for item in turns if item is not None]


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Leave out what is large by name, and take turns among the files."""
    small = [item for item in items if not LARGE.search(item.nodeid)]
    items[:] = in_turn(small, lambda item: item.path)


def pytest_collection_finish() -> None:
    """Start the clock; few examples for Hypothesis."""
    try:
        from hypothesis import settings
    except ModuleNotFoundError:
        pass
    else:
        few = {"max_examples": 3, "deadline": None, "derandomize": True, "database": None}
        settings.register_profile("small", **few)
        settings.load_profile("small")
    _began[:] = [time.monotonic()]


def pytest_runtest_logreport(report: Any) -> None:
    """Count what ran."""
    if report.when == "call":
        _ran.append(report.nodeid)


def pytest_runtest_protocol(item: Any) -> bool | None:
    """Pass over the tests that are left once the time is over."""
    limit = float(os.environ.get("ALLY_FAST_SMALL_TESTS_SECONDS", "inf"))
    return True if time.monotonic() - _began[0] > limit else None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many tests ran."""
    terminalreporter.write_line(f"small tests run: {len(_ran)}")
