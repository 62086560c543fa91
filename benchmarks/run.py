"""Measure everything and draw the tables: ``python -m benchmarks.run --out FOLDER``.

Rivals are interleaved: ours, rival A, rival B, …, ours, rival A, … Rows already there for the
same commit, hardware, versions and settings are kept, so a stopped run goes on where it was.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timezone
from itertools import groupby
from pathlib import Path

from benchmarks import (
    bench_assign,
    bench_dual_ascent,
    bench_interrupt,
    bench_occupancy,
    bench_ops,
    bench_pools,
    bench_ray,
    bench_select,
    bench_strategies,
    bench_training,
    machine,
    report,
)
from benchmarks import rows as rows_module
from benchmarks.job import Job
from benchmarks.others import wait_for_quiet
from benchmarks.rows import QUIET_CORES, Row

BENCHES = (
    bench_select,
    bench_assign,
    bench_occupancy,
    bench_ops,
    bench_dual_ascent,
    bench_interrupt,
    bench_pools,
    bench_training,
    bench_ray,
    bench_strategies,
)


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    result = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    add = result.add_argument
    add("--out", type=Path, help="folder of the rows (default: results/<this machine>)")
    add("--quick", action="store_true", help="20,000 rows, one repeat: checks the machinery")
    add("--only", action="append", metavar="NAME", help="only rows whose name contains NAME")
    add("--repeats", type=int, help="repeats of each measurement (default 3, quick 1)")
    add("--skip-slow-rivals", action="store_true", help="leave out what takes over 10 s")
    add("--limit", type=float, default=45.0, help="longest run in seconds, off the main shape")
    add("--timeout", type=float, default=900.0, help="stop any process after this many seconds")
    add("--budget", type=float, default=10.0, help="no more repeats after this many seconds")
    add("--patience", type=float, default=30.0, help="wait S seconds for a quiet machine (30)")
    add("--any-commit", action="store_true", help="keep rivals' rows of another commit")
    add("--fresh", action="store_true", help="measure again what is already there")
    add("--no-report", action="store_true", help="write rows only")
    add("--list", action="store_true", help="list the measurements and stop")
    return result


def main(argv: list[str] | None = None) -> int:
    """Run the jobs that are asked for and not there yet, then draw."""
    args = parser().parse_args(argv)
    args.repeats = args.repeats or (1 if args.quick else 3)
    default = machine.slug() + ("-quick" if args.quick else "")
    folder = args.out or machine.ROOT / "benchmarks" / "results" / default
    jobs = _jobs(args)
    if args.list:
        _list(jobs, args)
        return 0
    failed = _run(jobs, folder, args)
    if not args.no_report and not args.quick:
        report.main([str(folder)])
    return 1 if failed else 0


def _list(jobs: list[Job], args: argparse.Namespace) -> None:
    """Write what would be measured and about how long it would take on two cores."""
    total = 0.0
    for job in jobs:
        for row in job.rows:
            print(f"{row.name:66} {row.reason or f'about {job.estimate:.1f} s'}")
        if all(row.status == "ok" for row in job.rows):
            total += job.total(args.repeats, args.budget)
    print(f"about {total / 60:.0f} minutes in all")


def _jobs(args: argparse.Namespace) -> list[Job]:
    """List the jobs, rows stamped with machine, versions and source."""
    isas = _isas()
    stamp = machine.stamp(shlex.join(["python", "-m", "benchmarks.run", *sys.argv[1:]]))
    found = []
    for bench in BENCHES:
        for job in bench.jobs(isas, args):
            if not any(_asked(row, args.only) for row in job.rows):
                continue
            job.spec["threads"] = stamp["threads"]
            for row in job.rows:
                for key, value in stamp.items():
                    setattr(row, key, value)
                if row.engine == "ally_fast":
                    _note_isa(row, job.isa, isas)
            found.append(job)
    return found


def _note_isa(row: Row, forced: str | None, isas: list[str]) -> None:
    """Note what ours runs on; without the native core it is skipped."""
    row.isa = forced or next(iter(isas), None)
    if not isas:
        row.status, row.reason = "skipped", "the native core is not built"


def _asked(row: Row, only: Iterable[str] | None) -> bool:
    return only is None or any(part in row.name for part in only)


def _isas() -> list[str]:
    """Ask the native core what it can run here, best first."""
    try:
        from ally_fast import _cpu
    except ImportError:
        return []
    return list(_cpu.isas())


def _run(jobs: list[Job], folder: Path, args: argparse.Namespace) -> int:
    """Run group by group, round robin inside a group; return how many rows failed."""
    there = [] if args.fresh else [row for row in rows_module.stored(folder) if row.ok]
    kept = {row.config(args.any_commit): row for row in there}
    began, failed = time.perf_counter(), 0
    for _, members in groupby(jobs, key=lambda job: job.group):
        group = list(members)
        for job in group:
            _resume(job, kept, args.any_commit)
        for _ in range(2 * args.repeats):
            for job in group:
                if job.finished(args.repeats, args.budget):
                    continue
                job.spec["quality"] = any(row.inertia is None for row in job.rows)
                wait_for_quiet(QUIET_CORES, args.patience)
                job.run(args.timeout)
                for row in job.rows:
                    row.date = datetime.now(timezone.utc).isoformat(timespec="seconds")
                    rows_module.store(folder, row)
                    _tell(row, time.perf_counter() - began)
                if any(row.status == "failed" for row in job.rows):
                    failed += 1
        for job in group:
            for row in job.rows:
                if row.status == "skipped":
                    rows_module.store(folder, row)
    return failed


def _resume(job: Job, kept: dict[str, Row], any_commit: bool) -> None:
    """Take over the rows of an earlier run of the same configuration."""
    for place, row in enumerate(job.rows):
        earlier = kept.get(row.config(any_commit))
        if earlier is not None:
            job.rows[place] = Row(**asdict(earlier))


def _tell(row: Row, elapsed: float) -> None:
    if row.ok:
        quality = "" if row.inertia is None else f"  inertia/row {row.inertia / row.n:.5f}"
        others = row.other_cores[-1] or 0.0
        disturbed = f"  others took {others:.1f} cores" if others > QUIET_CORES else ""
        text = f"{row.seconds[-1]:9.3f} s{quality}{disturbed}"
    else:
        text = f"{row.status}: {row.reason}"
    print(f"[{elapsed:6.0f} s] {row.name:66} {text}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
