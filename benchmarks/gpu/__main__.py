"""Build, test, bench and sanitize on a GPU machine: ``python -m benchmarks.gpu --out FOLDER``."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import sys
import time
from pathlib import Path

from benchmarks import gates, process
from benchmarks.gpu import parts, present, summary
from benchmarks.gpu.bench import bench
from benchmarks.gpu.slices import chosen
from benchmarks.gpu.summary import FAILED, PartOutcome
from benchmarks.rows import GPU_FILE, stored

RUNNERS = {
    "build": parts.build,
    "smoke": parts.smoke,
    "test": parts.test,
    "sanitize": parts.sanitize,
}
# Of the minutes; what one leaves over goes to those after it.
SHARES = {"build": 0.25, "smoke": 0.04, "test": 0.33, "sanitize": 0.6, "bench": 0.38}
DEFAULT = "build smoke test bench"
RESERVE_SECONDS = 6.0  # to stop what runs and to write the summary


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    result = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    add = result.add_argument
    add("--out", type=Path, required=True, help="folder of logs, rows and summary")
    add("--parts", default=DEFAULT, help="some of: build smoke test sanitize bench bench:SLICE")
    add("--minutes", type=float, default=9.0, help="for everything")
    add("--plan", default="quick", choices=("quick", "full", "dry"), help="what bench measures")
    add("--resume", type=Path, help="rows of an earlier run: what they hold is not measured again")
    return result


def asked_parts(text: str, plan: str) -> tuple[list[str], list[str]]:
    """Split "build bench:assign bench:dual" into parts, in their order, and slices of bench.

    Raises
    ------
    ValueError
        For a part or a slice there is not.
    """
    asked = text.replace(",", " ").split()
    wanted = [part.partition(":")[2] for part in asked if part.startswith("bench:")]
    names = {part.partition(":")[0] for part in asked}
    if unknown := sorted(names - set(SHARES)):
        raise ValueError(f"no part {unknown[0]!r}: needs some of {', '.join(SHARES)}")
    chosen(plan, wanted)
    return [part for part in SHARES if part in names], wanted


def share(waiting: list[str], left: float) -> float:
    """Return the seconds of the first of the parts that wait."""
    return left * SHARES[waiting[0]] / sum(SHARES[part] for part in waiting)


def main(argv: list[str] | None = None) -> int:
    """Run the parts that are asked for, each within its share of the minutes."""
    arguments = parser()
    args = arguments.parse_args(argv)
    try:
        names, wanted = asked_parts(args.parts, args.plan)
    except ValueError as error:
        arguments.error(str(error))
    emulated = "ALLY_FAST_EMULATED_CUDA" in os.environ
    if not emulated and (why := present.why_no_gpu()):
        print(present.NO_GPU.format(why=why), file=sys.stderr)
        return 1
    out: Path = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    rows = out / GPU_FILE
    if args.resume and args.resume.is_file() and not rows.exists():
        shutil.copyfile(args.resume, rows)
    end = time.monotonic() + 60 * args.minutes - RESERVE_SECONDS
    outcomes: list[PartOutcome] = []
    command = shlex.join(["python", "-m", "benchmarks.gpu", *(argv or sys.argv[1:])])
    try:
        for at, name in enumerate(names):
            seconds = share(names[at:], max(end - time.monotonic(), 0.0))
            outcomes.append(_run(name, out, seconds, args.plan, wanted, command))
            summary.write(out, outcomes, command, finished=name == names[-1])
            print(f"{name}: {outcomes[-1].status}, {outcomes[-1].seconds:.0f} s", flush=True)
    finally:
        process.kill_all()
    if "bench" in names:
        print("\n" + gates.told(stored(out)))
    print("\n" + summary.table(outcomes), flush=True)
    return summary.exit_status(outcomes)


def _run(
    name: str, out: Path, seconds: float, plan: str, wanted: list[str], command: str
) -> PartOutcome:
    """Run one part; whatever goes wrong in it is its outcome."""
    began = time.monotonic()
    try:
        if name == "bench":
            outcome = bench(out, seconds, chosen(plan, wanted), command)
        else:
            outcome = RUNNERS[name](out, seconds)
    except Exception as error:
        outcome = PartOutcome(name, FAILED, f"{type(error).__name__}: {error}")
    outcome.seconds, outcome.budget_seconds = time.monotonic() - began, seconds
    return outcome


def _end(number: int, _: object) -> None:
    """End at once; what there is has been written down."""
    process.kill_all()
    os._exit(128 + number)


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    raise SystemExit(main())
