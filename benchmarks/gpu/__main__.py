"""Build, test, sanitize and bench on a GPU machine: ``python -m benchmarks.gpu --out FOLDER``."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu import gates, parts, present, process, summary
from benchmarks.gpu.bench import bench
from benchmarks.gpu.budget import SHARES, Budget
from benchmarks.gpu.plan import chosen
from benchmarks.gpu.recorder import FILE, stored
from benchmarks.gpu.summary import FAILED, Outcome

RUNNERS = {"build": parts.build, "test": parts.test, "sanitize": parts.sanitize}


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    result = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    add = result.add_argument
    add("--out", type=Path, required=True, help="folder of logs, rows and summary")
    add("--parts", default=" ".join(SHARES), help="some of: build test sanitize bench bench:SLICE")
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


def main(argv: list[str] | None = None) -> int:
    """Run the parts that are asked for, each within its share of the minutes."""
    arguments = parser()
    args = arguments.parse_args(argv)
    try:
        names, wanted = asked_parts(args.parts, args.plan)
    except ValueError as error:
        arguments.error(str(error))
    emulated = args.plan == "dry" and "ALLY_FAST_EMULATED_CUDA" in os.environ
    if not emulated and (why := present.why_no_gpu()):
        print(present.NO_GPU.format(why=why), file=sys.stderr)
        return 1
    out: Path = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    rows = out / f"{FILE}.jsonl"
    if args.resume and args.resume.is_file() and not rows.exists():
        shutil.copyfile(args.resume, rows)
    began, budget, outcomes = time.monotonic(), Budget(args.minutes, names), []
    command = shlex.join(["python", "-m", "benchmarks.gpu", *(argv or sys.argv[1:])])
    for name in names:
        outcomes.append(_run(name, out, budget.next(), args.plan, wanted, command))
        about: dict[str, Any] = {
            "command": command,
            "seconds": time.monotonic() - began,
            "finished": name == names[-1],
        }
        summary.write(out, outcomes, about)
        print(f"{name}: {outcomes[-1].status}, {outcomes[-1].seconds:.0f} s", flush=True)
    if "bench" in names:
        print("\n" + gates.told(stored(out)))
    print("\n" + summary.table(outcomes), flush=True)
    return summary.exit_status(outcomes)


def _run(
    name: str, out: Path, seconds: float, plan: str, wanted: list[str], command: str
) -> Outcome:
    """Run one part; whatever goes wrong in it is its outcome."""
    began = time.monotonic()
    try:
        if name == "bench":
            return bench(out, seconds, chosen(plan, wanted), command)
        outcome = RUNNERS[name](out, seconds)
    except Exception as error:
        outcome = Outcome(name, FAILED, f"{type(error).__name__}: {error}")
        outcome.seconds = time.monotonic() - began
    outcome.budget_seconds = seconds
    process.shorten(out / f"{name}.log")
    return outcome


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    raise SystemExit(main())
