"""The parts of ``make gpu`` but the last: build, smoke, test, sanitize."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import process
from benchmarks.gpu import files
from benchmarks.gpu.files import File, Result
from benchmarks.gpu.present import capability
from benchmarks.gpu.summary import FAILED, IMPOSSIBLE, PASSED, STATUSES, STOPPED, PartOutcome
from benchmarks.machine import cores

SANITIZER_ERRORS = 86  # the exit status asked of compute-sanitizer
SMOKE_SECONDS = 20.0


def build(out: Path, seconds: float) -> PartOutcome:
    """Compile both modules in place, for the device that is here, with the source's lines."""
    major, minor = capability()
    here = "90;90a" if (major, minor) == (9, 0) else f"{major}{minor}"
    env = {
        "ALLY_FAST_CUDA": "1",
        "ALLY_FAST_CUDA_ARCHS": os.environ.get("ALLY_FAST_CUDA_ARCHS") or here,
        "ALLY_FAST_LINEINFO": "1",
        "ALLY_FAST_WERROR": "0",  # a compiler we have not seen
        "MAX_JOBS": os.environ.get("MAX_JOBS") or str(cores()),
    }
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    ended = process.run(command, out / "build.log", seconds, env=env)
    last = process.last_line(out / "build.log")
    if ended.stopped:
        return PartOutcome("build", STOPPED, f"{ended.stopped}; {last}", ended.seconds)
    if ended.code:
        return PartOutcome("build", FAILED, f"exit status {ended.code}: {last}", ended.seconds)
    return PartOutcome("build", PASSED, "", ended.seconds)


def smoke(out: Path, seconds: float) -> PartOutcome:
    """Run the tests that are over in seconds: what they find costs no more."""
    seconds = min(seconds, SMOKE_SECONDS)
    return _outcome("smoke", files.run([File(files.SMOKE)], out, seconds, part="smoke"))


def test(out: Path, seconds: float) -> PartOutcome:
    """Run the tests that need a GPU, riskiest files first."""
    return _outcome("test", files.run(files.found(), out, seconds))


def sanitize(out: Path, seconds: float) -> PartOutcome:
    """Run the first tests of each file under compute-sanitizer: bad accesses, then races."""
    if shutil.which("compute-sanitizer") is None:
        return PartOutcome("sanitize", IMPOSSIBLE, "compute-sanitizer is not on PATH")
    wanted = [File(files.SMOKE), *files.found()]
    each = 0.5 * seconds * files.AT_ONCE / len(wanted)
    env = {"ALLY_FAST_RECORD_SECONDS": f"{0.5 * each:.0f}"}
    outcomes = []
    for tool in ("memcheck", "racecheck"):
        prefix = ["compute-sanitizer", "--tool", tool, "--print-limit", "20"]
        prefix += ["--error-exitcode", str(SANITIZER_ERRORS)]
        found = files.run(
            wanted, out, 0.5 * seconds, prefix=prefix, env=env, part=f"sanitize {tool}"
        )
        outcomes.append(_outcome(tool, found))
        if "Device not supported" in (out / "sanitize.log").read_text(errors="replace"):
            words = "compute-sanitizer does not support this machine"
            return PartOutcome("sanitize", IMPOSSIBLE, words)
    worst = max((outcome.status for outcome in outcomes), key=STATUSES.index)
    detail = "; ".join(f"{outcome.part}: {outcome.detail}" for outcome in outcomes)
    counts = {outcome.part: outcome.counts for outcome in outcomes}
    return PartOutcome("sanitize", worst, detail, counts=counts)


def _outcome(part: str, results: list[Result]) -> PartOutcome:
    """Sum up the files of a part; each that did not pass is told in a line."""
    counts: dict[str, Any] = {"files": len(results)}
    for name in ("passed", "skipped"):
        counts[name] = sum(getattr(result, name) for result in results)
    counts["failed"] = sum(len(result.failed) for result in results)
    bad = [result for result in results if result.status != PASSED]
    if not counts["passed"] and not bad:
        return PartOutcome(part, FAILED, "no test ran", counts=counts)
    detail = ", ".join(f"{count} {name}" for name, count in counts.items())
    for result in bad:
        again = f"; each launch waited for: {result.again}" if result.again else ""
        detail += f"\n  {result.status} {result.file}: {result.reason}{again}"
    status = max((result.status for result in results), key=STATUSES.index)
    return PartOutcome(part, status, detail, counts={**counts, "bad": [asdict(r) for r in bad]})
