"""The parts of ``make gpu`` but the last: build, test, sanitize."""

from __future__ import annotations

import os
import re
import shutil
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from benchmarks.gpu import process
from benchmarks.gpu.present import capability
from benchmarks.gpu.summary import FAILED, IMPOSSIBLE, PASSED, STOPPED, Outcome
from benchmarks.machine import cores

SANITIZER_ERRORS = 86  # the exit status asked of compute-sanitizer
NO_TESTS = 5  # pytest's exit status
NOT_LARGE = "gpu and not slow"


def build(out: Path, seconds: float) -> Outcome:
    """Compile both modules in place, for the device that is here."""
    major, minor = capability()
    here = "90;90a" if (major, minor) == (9, 0) else f"{major}{minor}"
    env = {
        "ALLY_FAST_CUDA": "1",
        "ALLY_FAST_CUDA_ARCHS": os.environ.get("ALLY_FAST_CUDA_ARCHS") or here,
        "MAX_JOBS": os.environ.get("MAX_JOBS") or str(cores()),
    }
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    ended = process.run(command, out / "build.log", seconds, env=env)
    return _outcome("build", ended, process.last_line(out / "build.log"), {})


def test(out: Path, seconds: float) -> Outcome:
    """Run the tests that need a GPU, each named in the log before it runs."""
    report = out / "test.xml"
    command = [sys.executable, "-m", "pytest", "tests", "-m", NOT_LARGE, "-v", "--durations=15"]
    command += ["-p", "no:cacheprovider", f"--junitxml={report}"]
    command += ["--ignore=tests/benchmarks"]  # a dry run of what comes next
    ended = process.run(command, out / "test.log", seconds)
    counts = junit_counts(report)
    detail = ", ".join(f"{value} {name}" for name, value in counts.items())
    return _outcome("test", ended, detail or process.last_line(out / "test.log"), counts)


def junit_counts(report: Path) -> dict[str, int]:
    """Count tests, failures, errors and skips in a JUnit file; nothing if there is none."""
    try:
        suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    except (OSError, ElementTree.ParseError):
        return {}
    names = ("tests", "failures", "errors", "skipped")
    return {name: sum(int(suite.get(name, 0)) for suite in suites) for name in names}


def sanitize(out: Path, seconds: float) -> Outcome:
    """Run a few small tests under compute-sanitizer, looking for bad accesses, then for races."""
    log = out / "sanitize.log"
    if shutil.which("compute-sanitizer") is None:
        return Outcome("sanitize", IMPOSSIBLE, "compute-sanitizer is not on PATH", 0.0, seconds)
    worst, details, counts, taken = PASSED, [], {}, 0.0
    for tool, share in (("memcheck", 0.5), ("racecheck", 1.0)):
        given = (seconds - taken) * share
        size = log.stat().st_size if log.is_file() else 0
        command = ["compute-sanitizer", "--tool", tool, "--print-limit", "50"]
        command += ["--error-exitcode", str(SANITIZER_ERRORS), sys.executable, "-m", "pytest"]
        command += ["tests", "-m", NOT_LARGE, "-q", "-p", "no:cacheprovider"]
        command += ["-p", "benchmarks.gpu.small_tests", "--tb=short"]
        env = {"ALLY_FAST_SMALL_TESTS_SECONDS": f"{0.55 * given:.0f}"}
        ended = process.run(command, log, given, env=env)
        taken += ended.seconds
        status, detail, counts[tool] = sanitizer_verdict(ended, log.read_bytes()[size:].decode())
        details.append(f"{tool}: {detail}")
        worst = max(worst, status, key=(PASSED, STOPPED, IMPOSSIBLE, FAILED).index)
    return Outcome("sanitize", worst, "; ".join(details), taken, seconds, counts)


def sanitizer_verdict(ended: process.Ended, text: str) -> tuple[str, str, dict[str, int]]:
    """Read what compute-sanitizer found off its exit status and its output.

    Returns
    -------
    tuple
        Status, one line, and counts: tests run, errors or hazards found.
    """
    tests = re.search(r"small tests run: (\d+)", text)
    found = re.search(r"(?:ERROR SUMMARY|RACECHECK SUMMARY): (\d+)", text)
    counts = {"tests": int(tests[1]) if tests else 0, "errors": int(found[1]) if found else 0}
    line = f"{counts['errors']} errors in {counts['tests']} tests"
    if "Device not supported" in text:
        return IMPOSSIBLE, "compute-sanitizer does not support this machine", counts
    if ended.stopped:
        return STOPPED, ended.stopped, counts
    if ended.code == SANITIZER_ERRORS or counts["errors"]:
        return FAILED, line, counts
    if ended.code == NO_TESTS or (ended.code == 0 and not counts["tests"]):
        return FAILED, "no test ran", counts
    if ended.code:
        return FAILED, f"{line}, but pytest ended with status {ended.code}", counts
    return PASSED, line, counts


def _outcome(part: str, ended: process.Ended, detail: str, counts: dict[str, Any]) -> Outcome:
    status = PASSED if ended.code == 0 else FAILED
    if ended.stopped:
        status, detail = STOPPED, f"{ended.stopped}{'; ' + detail if detail else ''}"
    elif ended.code:
        detail = f"exit status {ended.code}: {detail}"
    elif part == "build":
        detail = ""
    return Outcome(part, status, detail, ended.seconds, 0.0, counts)
