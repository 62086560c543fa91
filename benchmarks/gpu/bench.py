"""The bench part: group after group, each in its own process, what is there already left out."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks import rows
from benchmarks.gpu import process
from benchmarks.gpu.peers import folder
from benchmarks.gpu.plan import Group
from benchmarks.gpu.recorder import BROKEN, FILE, kernel, key, stored, tell
from benchmarks.gpu.summary import FAILED, PASSED, STOPPED, Outcome
from benchmarks.rows import Row

LEAST_SECONDS = 8.0  # a group needs this much to start
MOST_CRASHES = 4  # of one group
IDLE_SECONDS = 45.0  # without a row: imports, data


@dataclass
class Distrust:
    """What is not tried again in this run: rows that failed, kernels that were stopped."""

    rows: set[str] = field(default_factory=set)
    kernels: set[str] = field(default_factory=set)


def bench(out: Path, seconds: float, groups: list[Group], command: str) -> Outcome:
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
    Outcome
        Failed if a row of ours failed; a rival that does not run is a row that says so.
    """
    began, log = time.monotonic(), out / "bench.log"
    with log.open("a") as file:
        file.writelines(f"not unpacked: {text}\n" for text in folder.unpack())
    env = folder.library_path()
    distrust = Distrust()
    before = {key(row): row.date for row in stored(out)}
    left_over = []
    for group in groups:
        left = seconds - (time.monotonic() - began)
        if left < LEAST_SECONDS:
            left_over.append(group.name)
            continue
        finished = _group(out, log, group, left, command, env, distrust)
        if not finished:
            left_over.append(group.name)
    new = [row for row in stored(out) if before.get(key(row)) != row.date]
    return _outcome(new, left_over, time.monotonic() - began, seconds)


def _group(
    out: Path,
    log: Path,
    group: Group,
    seconds: float,
    command: str,
    env: dict[str, str],
    distrust: Distrust,
) -> bool:
    """Run one group, again without the kernel that broke it; return whether it was finished."""
    end = time.monotonic() + seconds
    for _ in range(MOST_CRASHES):
        left = end - time.monotonic()
        if left < LEAST_SECONDS:
            return False
        with tempfile.TemporaryDirectory() as scratch:
            marker, spec = Path(scratch, "row.json"), Path(scratch, "spec.json")
            told = {**asdict(group), "out": str(out), "marker": str(marker), "command": command}
            told |= {"seconds": left - 0.6 * LEAST_SECONDS, "skip": sorted(distrust.rows)}
            told["dropped"] = sorted(distrust.kernels)
            spec.write_text(json.dumps(told))
            with log.open("a") as file:
                file.write(f"== {group.name}, {left:.0f} s left\n")
            ended = process.run(
                [sys.executable, "-m", "benchmarks.gpu.worker", str(spec)],
                log,
                left,
                env=env,
                watch=_Watch(marker, group.row_seconds),
            )
            before = set(distrust.rows)
            failed = [row for row in stored(out) if row.status != "ok"]
            distrust.rows |= {key(row) for row in failed}
            if ended.code == 0:
                return time.monotonic() < end - 0.6 * LEAST_SECONDS
            if ended.code == BROKEN:
                new = [row for row in failed if key(row) not in before]
                distrust.kernels |= {kernel(row) for row in sorted(new, key=_date)[-1:]}
                continue
            broken = _broken_row(marker, ended, log)
            out_of_time = ended.stopped and time.monotonic() >= end
            if out_of_time:
                return False
            if broken is not None:
                rows.store(out, broken, FILE)
                distrust.rows.add(key(broken))
                distrust.kernels.add(kernel(broken))
                with log.open("a") as file:
                    file.write(f"{broken.name} {broken.status}: {broken.reason}\n")
            else:
                _store_failed_group(out, group, ended, log)
                return True
    return True


def _date(row: Row) -> str:
    return row.date


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


def _broken_row(marker: Path, ended: process.Ended, log: Path) -> Row | None:
    """Return the row that was being measured when the worker ended."""
    try:
        row = Row.from_json(marker.read_text())
    except (OSError, ValueError):
        return None
    row.status = "failed"
    row.reason = ended.stopped or f"exit status {ended.code}: {process.last_line(log)}"
    return row


def _store_failed_group(out: Path, group: Group, ended: process.Ended, log: Path) -> None:
    """Keep a row for a group whose process ended between rows."""
    row = Row(f"gpu_{group.kind}", "ally_fast", group.name, "none", 0, 0, 0, 0, "")
    how = ended.stopped or f"exit status {ended.code}: {process.last_line(log)}"
    row.status, row.reason = "failed", how
    rows.store(out, row, FILE)
    tell(row)


def _outcome(new: list[Row], left_over: list[str], taken: float, seconds: float) -> Outcome:
    counts = {status: sum(row.status == status for row in new) for status in ("ok", "skipped")}
    broken = [row for row in new if row.status == "failed"]
    ours = [row for row in broken if row.engine == "ally_fast"]
    counts |= {"failed": len(broken), "failed of ours": len(ours), "groups left": len(left_over)}
    detail = ", ".join(f"{value} {name}" for name, value in counts.items())
    if ours:
        detail += f"; first: {ours[0].name}: {ours[0].reason[:160]}"
    status = FAILED if ours else STOPPED if left_over else PASSED
    return Outcome("bench", status, detail, taken, seconds, {**counts, "left": left_over})
