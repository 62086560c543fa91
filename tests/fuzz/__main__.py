"""Fuzz the readers for longer: ``python -m fuzz --target parquet --minutes 10``, in ``tests``."""

import argparse
import sys
import time

from fuzz.runner import hunt
from fuzz.targets import TARGETS


def main():
    """Run mutants of each target, print what is found, and keep it as a case."""
    parser = argparse.ArgumentParser(prog="fuzz", description=main.__doc__)
    parser.add_argument("--target", choices=TARGETS, action="append", help="default: all")
    parser.add_argument("--mutants", type=int, default=1 << 40, metavar="N", help="of each")
    parser.add_argument("--seed", type=int, default=None, help="default: the time")
    parser.add_argument("--minutes", type=float, default=10, metavar="M", help="in all")
    parser.add_argument("--no-save", action="store_true", help="keep no cases")
    arguments = parser.parse_args()
    seed = int(time.time()) if arguments.seed is None else arguments.seed
    targets = arguments.target or list(TARGETS)
    found, end = 0, time.monotonic() + 60 * arguments.minutes
    for place, target in enumerate(targets):
        now = time.monotonic()
        tally = hunt(target, seed, arguments.mutants, now + (end - now) / (len(targets) - place))
        found += len(tally.finds)
        print(
            f"{target}: seed {seed}: {tally.accepted} accepted, {tally.refused} refused, "
            f"{len(tally.finds)} found",
            flush=True,
        )
        for find in tally.finds:
            where = "" if arguments.no_save else f"{find.save()}: "
            print(f"  {find.number} {find.role}: {where}{find.fault}", flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
