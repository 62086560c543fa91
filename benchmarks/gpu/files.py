"""Test files, each in a pytest process of its own: what goes wrong in one costs that one."""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import process
from benchmarks.gpu.summary import FAILED, PASSED, STOPPED
from benchmarks.machine import ROOT

AT_ONCE = 4
FILE_SECONDS, TEST_SECONDS = 120.0, 60.0
LEAST_SECONDS = 2.0  # a file needs this much to begin
AGAIN_SHARE = 0.2  # of the time is kept for what runs again
MOST_AGAIN = 20  # failed tests of a file that do
MOST_LOG = 2**20  # bytes of a file, the last ones
SMOKE = "tests/gpu/test_smoke.py"
# Riskiest first; the parameters of the sm90a kernel come last.
ORDER = ("tests/ops/test_scan_sm90a.py", "tests/ops/", "tests/gpu/", "tests/cluster/", "tests/")
_log_lock = threading.Lock()


@dataclass(frozen=True)
class File:
    """What one process runs: a file, what `only` (as for -k) names of it, or just some `tests`."""

    path: str
    only: str = ""
    tests: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Path and what is chosen of it."""
        return f"{self.path} ({self.only})" if self.only else self.path


@dataclass
class Result:
    """How a file went: `failed` tests, the `reason` of the first, how they went when run `again`.

    It is stopped if a hang, a crash or a broken device ended it early.
    """

    file: str
    status: str = PASSED
    reason: str = ""
    passed: int = 0
    skipped: int = 0
    failed: list[str] = field(default_factory=list)
    again: str = ""


def found() -> list[File]:
    """List the files with tests of a GPU, but for the smoke test, in the order of ``ORDER``."""
    texts = {
        path.relative_to(ROOT).as_posix(): path.read_text()
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
    }
    wanted = [path for path, text in texts.items() if "mark.gpu" in text and path != SMOKE]
    wanted = [path for path in wanted if not path.startswith("tests/benchmarks/")]
    wanted.sort(key=lambda path: next(at for at, head in enumerate(ORDER) if path.startswith(head)))
    both = [path for path in wanted if '"sm90a"' in texts[path]]
    early = [File(path, "not sm90a" if path in both else "") for path in wanted]
    return early + [File(path, "sm90a") for path in both]


def run(
    files: Iterable[File],
    out: Path,
    seconds: float,
    *,
    prefix: Iterable[str] = (),
    env: Mapping[str, str] | None = None,
    test_seconds: float = TEST_SECONDS,
    part: str = "test",
) -> list[Result]:
    """Run files four at a time, under `prefix`; a test that takes `test_seconds` ends its file.

    Each test is a line in ``out/tests.ndjson`` as it begins and as it ends. What failed runs again
    at the end with each launch waited for, so that the one at fault is named.
    """
    end = time.monotonic() + seconds
    first_end = end if prefix else end - AGAIN_SHARE * seconds
    files, prefix = list(files), list(prefix)

    def one(file: File, until: float, more: Mapping[str, str], what: str) -> Result:
        left = min(until - time.monotonic(), FILE_SECONDS)
        if left < LEAST_SECONDS:
            return Result(file.name, STOPPED, "not begun: out of time")
        return _run_file(file, out, left, prefix, {**(env or {}), **more}, test_seconds, what)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(lambda file: one(file, first_end, {}, part), files))
        bad = [result for result in results if result.failed and not prefix]
        few = [File(result.file, tests=tuple(result.failed[:MOST_AGAIN])) for result in bad]
        blocking = {"CUDA_LAUNCH_BLOCKING": "1"}
        second = pool.map(lambda file: one(file, end, blocking, f"{part} again"), few)
        for result, again in zip(bad, second, strict=True):
            result.again = again.reason or again.status
    return results


def _run_file(
    file: File,
    out: Path,
    seconds: float,
    prefix: list[str],
    env: Mapping[str, str],
    test_seconds: float,
    what: str,
) -> Result:
    run_name = f"{what}: {file.name}"
    command = [*prefix, sys.executable, "-m", "pytest", *(file.tests or (file.path,)), "-q"]
    command += ["-m", "gpu and not slow", "-k", file.only, "--tb=short", "-p", "no:cacheprovider"]
    command += ["-p", "benchmarks.gpu.pytest_log"]
    command += ["-o", f"faulthandler_timeout={0.8 * test_seconds}"]
    with tempfile.TemporaryDirectory() as scratch:
        log, marker = Path(scratch, "log"), Path(scratch, "marker")
        told = {"": out / "tests.ndjson", "_RUN": run_name, "_MARKER": marker}
        ended = process.run(
            command,
            log,
            seconds,
            env={**env, **{f"ALLY_FAST_RECORD{name}": str(value) for name, value in told.items()}},
            watch=lambda: process.too_long(marker, test_seconds),
        )
        with _log_lock, (out / f"{what.split()[0]}.log").open("ab") as whole:
            whole.write(f"== {run_name}\n".encode() + log.read_bytes()[-MOST_LOG:])
        result = _judge(file, ended, read(out / "tests.ndjson", run_name), process.last_line(log))
    print(f"{result.status:8} {run_name}  {result.reason}", flush=True)
    return result


def read(record: Path, run_name: str) -> list[dict[str, str]]:
    """Return the lines of one run."""
    lines = record.read_text().splitlines() if record.is_file() else []
    return [told for line in lines if (told := json.loads(line))["run"] == run_name]


def _judge(file: File, ended: process.Ended, told: list[dict[str, str]], last: str) -> Result:
    outcomes = {line["test"]: line["outcome"] for line in told}  # the last of each
    words = {line["test"]: line["message"] for line in reversed(told) if line.get("message")}
    ways = list(outcomes.values())
    failed = [test for test, how in outcomes.items() if how not in ("passed", "skipped")]
    counts = ways.count("passed"), ways.count("skipped")
    how = ended.stopped or (f"exit status {ended.code}: {last}" if ended.code else "")
    status, reason = (STOPPED if ended.stopped else FAILED if ended.code else PASSED), how
    if failed:
        name, outcome = failed[0].rpartition("::")[2], outcomes[failed[0]]
        broke = " broke the device" if outcome == "broken" else ""
        reason = f"{name}{broke}: {how if outcome == 'begun' else words.get(failed[0], how)}"
        if {"begun", "broken"} & set(ways):
            status = STOPPED
    return Result(file.name, status, " ".join(reason.split())[:300], *counts, failed)
