"""The bench part: group after group, each in its own process, what is there already left out."""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks import process, rows, worker
from benchmarks.gpu.peers import folder
from benchmarks.gpu.recorder import BROKEN, kernel, tell
from benchmarks.gpu.slices import Group
from benchmarks.gpu.summary import FAILED, PASSED, STOPPED, PartOutcome
from benchmarks.rows import Row, stored

LEAST_SECONDS = 8.0  # a group needs this much to start
MOST_CRASHES = 4  # of one group
IDLE_SECONDS = 45.0  # without a row: imports, data


def bench(out: Path, seconds: float, groups: list[Group], command: str) -> PartOutcome:
    """Measure the groups until the time is over.

    Parameters
    ----------
    out : Path
        Folder of the rows (``gpu.jsonl``) and of ``bench.log``.
    seconds : float
        For everything.
    groups : list of Group
    command : str
        What goes into the rows.

    Returns
    -------
    PartOutcome
        Failed if a row of ours failed; a rival that does not run is a row that says so.
    """
    began = time.monotonic()
    supervisor = _Supervisor(out, command)
    before = {row.key: row.date for row in stored(out)}
    left_over = [
        group.name
        for group in groups
        if not supervisor.measure(group, seconds - (time.monotonic() - began))
    ]
    new = [row for row in stored(out) if before.get(row.key) != row.date]
    return _outcome(new, left_over, time.monotonic() - began, seconds)


class _Supervisor:
    """Runs groups; rows that failed and kernels that were stopped are not tried again."""

    def __init__(self, out: Path, command: str) -> None:
        self._out, self._command, self._log = out, command, out / "bench.log"
        self._rows: set[str] = set()
        self._kernels: set[str] = set()
        self._note(*(f"not unpacked: {text}" for text in folder.unpack()))
        self._env = folder.library_path()

    def _note(self, *lines: str) -> None:
        with self._log.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    def measure(self, group: Group, seconds: float) -> bool:
        """Run a group, again without what broke it; return whether it was finished."""
        end = time.monotonic() + seconds
        for _ in range(MOST_CRASHES):
            left = end - time.monotonic()
            if left < LEAST_SECONDS:
                return False
            self._note(f"== {group.name}, {left:.0f} s left")
            with tempfile.TemporaryDirectory() as scratch:
                marker = Path(scratch, "row.json")
                answer = self._ask(group, Path(scratch), marker, left)
                broken = _broken_row(marker, answer.reason)
            failed = [row for row in stored(self._out) if row.status != "ok"]
            new = [row for row in failed if row.key not in self._rows]
            self._rows |= {row.key for row in failed}
            if answer.status == "ok":
                return time.monotonic() < end - 0.6 * LEAST_SECONDS
            if answer.ended.code == BROKEN:
                last = sorted(new, key=lambda row: row.date)[-1:]
                self._kernels |= {kernel(row) for row in last}
            elif answer.ended.stopped and time.monotonic() >= end:
                return False
            elif broken is None:
                _store_failed_group(self._out, group, answer.reason)
                return True
            else:
                rows.store(self._out, broken)
                self._rows.add(broken.key)
                self._kernels.add(kernel(broken))
                self._note(f"{broken.name} {broken.status}: {broken.reason}")
        return True

    def _ask(self, group: Group, scratch: Path, marker: Path, left: float) -> worker.Answer:
        spec = {**asdict(group), "module": "benchmarks.gpu.group", "command": self._command}
        spec |= {"out": str(self._out), "marker": str(marker), "skip": sorted(self._rows)}
        spec |= {"seconds": left - 0.6 * LEAST_SECONDS, "dropped": sorted(self._kernels)}
        watch = _Watch(marker, group.row_seconds)
        return worker.ask(spec, scratch, left, log=self._log, env=self._env, watch=watch)


class _Watch:
    """Says so when one row takes too long, or none is begun for long."""

    def __init__(self, marker: Path, row_seconds: float) -> None:
        self._marker, self._row_seconds = marker, row_seconds
        self._busy = time.monotonic()

    def __call__(self) -> str | None:
        if self._marker.exists():
            self._busy = time.monotonic()
            return process.too_long(self._marker, self._row_seconds)
        idle = time.monotonic() - self._busy > IDLE_SECONDS
        return f"no row was begun for {IDLE_SECONDS:.0f} s" if idle else None


def _broken_row(marker: Path, reason: str) -> Row | None:
    """Return the row that was being measured when the worker ended."""
    try:
        row = Row.from_json(marker.read_text())
    except (OSError, ValueError):
        return None
    row.status, row.reason = "failed", reason
    return row


def _store_failed_group(out: Path, group: Group, reason: str) -> None:
    """Keep a row for a group whose process ended between rows."""
    row = Row(f"gpu_{group.kind}", "ally_fast", group.name, "none", 0, 0, 0, 0, "")
    row.status, row.reason = "failed", reason
    rows.store(out, row)
    tell(row)


def _outcome(new: list[Row], left_over: list[str], taken: float, seconds: float) -> PartOutcome:
    counts = {status: sum(row.status == status for row in new) for status in ("ok", "skipped")}
    broken = [row for row in new if row.status == "failed"]
    ours = [row for row in broken if row.engine == "ally_fast"]
    counts |= {"failed": len(broken), "failed of ours": len(ours), "groups left": len(left_over)}
    detail = ", ".join(f"{value} {name}" for name, value in counts.items())
    if ours:
        detail += f"; first: {ours[0].name}: {ours[0].reason[:160]}"
    status = FAILED if ours else STOPPED if left_over else PASSED
    return PartOutcome("bench", status, detail, taken, seconds, {**counts, "left": left_over})
