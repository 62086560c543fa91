"""Test files, each in a pytest process of its own: what goes wrong in one costs that one."""

from __future__ import annotations

import json
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.gpu import process
from benchmarks.gpu.summary import FAILED, PASSED, STOPPED
from benchmarks.machine import ROOT

AT_ONCE = 4
FILE_SECONDS, TEST_SECONDS = 120.0, 60.0
LEAST_SECONDS = 2.0  # a file needs this much to begin
MOST_AGAIN = 20  # failed tests of a file that are run again
SMOKE = "tests/gpu/test_smoke.py"
# Riskiest first; the parameters of the sm90a kernel come last.
ORDER = ("tests/ops/test_scan_sm90a.py", "tests/ops/", "tests/gpu/", "tests/cluster/", "tests/")
BLOCKING = {"CUDA_LAUNCH_BLOCKING": "1"}
_log_lock = threading.Lock()


@dataclass(frozen=True)
class File:
    """What one process runs: a file, or those of its tests that `only` (as for -k) names."""

    path: str
    only: str = ""
    tests: tuple[str, ...] = ()  # or just these

    @property
    def name(self) -> str:
        """Path and what is chosen of it."""
        return f"{self.path} ({self.only})" if self.only else self.path


@dataclass
class Result:
    """How a file went.

    Parameters
    ----------
    file : str
    status : str
        "passed", "failed", or "stopped": a hang, a crash or a broken device ended it early.
    reason : str
        One line, for what did not pass.
    again : str
        How its failed tests went when each launch was waited for.
    """

    file: str
    status: str
    reason: str = ""
    seconds: float = 0.0
    passed: int = 0
    skipped: int = 0
    failed: list[str] = field(default_factory=list)
    again: str = ""
    code: int = 0


def found(folder: Path = ROOT / "tests") -> list[File]:
    """List the files with tests of a GPU, but for the smoke test, in the order of ``ORDER``."""
    texts = {
        path.relative_to(ROOT).as_posix(): path.read_text() for path in folder.rglob("test_*.py")
    }
    wanted = [
        path
        for path, text in sorted(texts.items())
        if "mark.gpu" in text and path != SMOKE and not path.startswith("tests/benchmarks/")
    ]
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
    """Run files, four at a time; what fails runs again at the end, each launch waited for.

    Parameters
    ----------
    files : iterable of File
    out : Path
        Folder of ``tests.jsonl``, a line for each test as it begins and ends, and ``<part>.log``.
    seconds : float
        For everything.
    prefix : iterable of str
        What pytest runs under.
    env : mapping, optional
        Added to the environment.
    test_seconds : float
        A test that takes longer ends its file; its traceback is in the log.
    part : str
        Names the log.
    """
    end = time.monotonic() + seconds

    def one(file: File, more: Mapping[str, str], what: str) -> Result:
        left = min(end - time.monotonic(), FILE_SECONDS)
        if left < LEAST_SECONDS:
            return Result(file.name, STOPPED, "not begun: out of time")
        return _run_file(
            file, out, left, list(prefix), {**(env or {}), **more}, test_seconds, f"{part}{what}"
        )

    with ThreadPoolExecutor(AT_ONCE) as pool:
        files = list(files)
        results = list(pool.map(lambda file: one(file, {}, ""), files))
        bad = [
            (file, result)
            for file, result in zip(files, results, strict=True)
            if result.failed and not prefix
        ]
        few = [File(file.path, "", tuple(result.failed[:MOST_AGAIN])) for file, result in bad]
        second = pool.map(lambda file: one(file, BLOCKING, " again"), few)
        for (_, result), again in zip(bad, second, strict=True):
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
    record, run_name = out / "tests.jsonl", f"{what}: {file.name}"
    with tempfile.TemporaryDirectory() as scratch:
        log, marker = Path(scratch, "log"), Path(scratch, "marker")
        command = [*prefix, sys.executable, "-m", "pytest", *(file.tests or (file.path,))]
        command += ["-m", "gpu and not slow", "-q", "--tb=short", "-p", "no:cacheprovider"]
        command += [
            "-p",
            "benchmarks.gpu.record",
            "-o",
            f"faulthandler_timeout={0.8 * test_seconds}",
        ]
        command += ["-k", file.only] if file.only else []
        told = {"": record, "_RUN": run_name, "_MARKER": marker}
        ended = process.run(
            command,
            log,
            seconds,
            env={**env, **{f"ALLY_FAST_RECORD{name}": str(value) for name, value in told.items()}},
            watch=lambda: process.too_long(marker, test_seconds),
        )
        with _log_lock, (out / f"{what.split()[0]}.log").open("ab") as whole:
            whole.write(f"== {run_name}\n".encode() + log.read_bytes())
        result = _judge(file, ended, read(record, run_name), process.last_line(log))
    print(f"{result.status:8} {run_name}  {result.reason}", flush=True)
    return result


def read(record: Path, run_name: str) -> list[dict[str, str]]:
    """Return the lines of one run."""
    lines = record.read_text().splitlines() if record.is_file() else []
    return [told for line in lines if (told := json.loads(line))["run"] == run_name]


def _judge(file: File, ended: process.Ended, told: list[dict[str, str]], last: str) -> Result:
    outcomes: dict[str, str] = {}
    for line in told:
        outcomes[line["test"]] = line["outcome"]
    result = Result(file.name, PASSED, seconds=ended.seconds, code=ended.code)
    result.passed, result.skipped = (
        sum(outcome == kind for outcome in outcomes.values()) for kind in ("passed", "skipped")
    )
    result.failed = [test for test, how in outcomes.items() if how not in ("passed", "skipped")]
    words = {line["test"]: line["message"] for line in reversed(told) if line.get("message")}
    for test in result.failed:
        name = test.rpartition("::")[2]
        if outcomes[test] == "broken":
            result.status, result.reason = STOPPED, f"{name} broke the device: {words[test]}"
        elif outcomes[test] == "begun":
            how = ended.stopped or f"exit status {ended.code}: {last}"
            result.status, result.reason = STOPPED, f"{name}: {how}"
        elif result.status == PASSED:
            result.status, result.reason = FAILED, f"{name}: {words.get(test, '')}"
    if result.status == PASSED and (ended.stopped or ended.code):
        result.status = STOPPED if ended.stopped else FAILED
        result.reason = ended.stopped or f"exit status {ended.code}: {last}"
    result.reason = re.sub(r"\s+", " ", result.reason)[:300]
    return result


def counts(results: list[Result]) -> dict[str, object]:
    """Return how many tests there were, and the files that did not pass."""
    bad = [asdict(result) for result in results if result.status != PASSED]
    return {
        "files": len(results),
        "passed": sum(result.passed for result in results),
        "skipped": sum(result.skipped for result in results),
        "failed": sum(len(result.failed) for result in results),
        "bad": bad,
    }
