"""The bench part: group after group, each in its own process, what is there already left out."""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks import process, rows, worker
from benchmarks.gpu.peers import folder
from benchmarks.gpu.recorder import BROKEN, FILE, kernel, tell
from benchmarks.gpu.slices import Group
from benchmarks.gpu.summary import FAILED, PASSED, STOPPED, Outcome
from benchmarks.rows import Row, stored

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
    before = {row.key: row.date for row in stored(out)}
    left_over = []
    for group in groups:
        left = seconds - (time.monotonic() - began)
        if left < LEAST_SECONDS:
            left_over.append(group.name)
            continue
        finished = _group(out, log, group, left, command, env, distrust)
        if not finished:
            left_over.append(group.name)
    new = [row for row in stored(out) if before.get(row.key) != row.date]
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
            marker = Path(scratch, "row.json")
            spec = {**asdict(group), "out": str(out), "marker": str(marker), "command": command}
            spec |= {"seconds": left - 0.6 * LEAST_SECONDS, "skip": sorted(distrust.rows)}
            spec |= {"module": "benchmarks.gpu.group", "dropped": sorted(distrust.kernels)}
            with log.open("a") as file:
                file.write(f"== {group.name}, {left:.0f} s left\n")
            watch = _Watch(marker, group.row_seconds)
            answer = worker.ask(spec, Path(scratch), left, log=log, env=env, watch=watch)
            before = set(distrust.rows)
            failed = [row for row in stored(out) if row.status != "ok"]
            distrust.rows |= {row.key for row in failed}
            if answer.status == "ok":
                return time.monotonic() < end - 0.6 * LEAST_SECONDS
            if answer.ended.code == BROKEN:
                new = [row for row in failed if row.key not in before]
                distrust.kernels |= {kernel(row) for row in sorted(new, key=_date)[-1:]}
                continue
            broken = _broken_row(marker, answer.reason)
            out_of_time = answer.ended.stopped and time.monotonic() >= end
            if out_of_time:
                return False
            if broken is not None:
                rows.store(out, broken, FILE)
                distrust.rows.add(broken.key)
                distrust.kernels.add(kernel(broken))
                with log.open("a") as file:
                    file.write(f"{broken.name} {broken.status}: {broken.reason}\n")
            else:
                _store_failed_group(out, group, answer.reason)
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
