"""Runs workers, one after the other: where one dies, the next goes on after the mutant."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from fuzz.targets import TARGETS, files_of, pack

TESTS = Path(__file__).parent.parent
CASES = Path(__file__).parent / "cases"


@dataclass(frozen=True)
class Find:
    """A mutant, and what is wrong."""

    target: str
    number: int | str
    role: str
    fault: str
    content: bytes = field(repr=False)

    def save(self, folder=CASES):
        """Keep it as a case."""
        digest = blake2b(self.content, digest_size=4).hexdigest()
        path = folder / f"{self.target}.{self.role}.{digest}.bin"
        path.write_bytes(self.content)
        return path


@dataclass
class Tally:
    """What became of mutants."""

    accepted: int = 0
    refused: int = 0
    finds: list[Find] = field(default_factory=list)


def cases(target):
    """Return the kept cases of a target."""
    return sorted(CASES.glob(f"{target}.*.bin"))


def hunt(target, seed, mutants, deadline=None):
    """Run mutants 0 to `mutants` (exclusive), or until the clock is at `deadline`."""
    tally, start = Tally(), 0
    while start < mutants and (deadline is None or time.monotonic() < deadline):
        job = {"target": target, "seed": seed, "start": start, "stop": mutants}
        died = _run(job, tally, deadline)
        start = mutants if died is None else died + 1
    return tally


def replay(target, files):
    """Run cases."""
    tally, left = Tally(), [str(file) for file in files]
    while left:
        died = _run({"target": target, "cases": left}, tally)
        left = left[left.index(died) + 1 :] if died else []
    return tally


def _run(job, tally, deadline=None):
    """Run a worker; return the mutant that it died of, None if it ended."""
    path = os.pathsep.join((str(TESTS), *filter(None, sys.path)))
    environment = {**os.environ, "PYTHONPATH": path, "MALLOC_ARENA_MAX": "2"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "fuzz.worker"]
        pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, cwd=folder, env=environment, **pipe) as worker:
            worker.stdin.write(json.dumps(job))
            worker.stdin.close()
            begun = _listen(worker, job, tally, deadline)
        if begun is None:
            if worker.returncode not in (0, -signal.SIGTERM):
                raise RuntimeError(f"the worker ended with {worker.returncode}: {job}")
            return None
        files = files_of(Path(folder) / TARGETS[job["target"]].path())
    how = signal.Signals(-worker.returncode).name if worker.returncode < 0 else worker.returncode
    fault = "hangs" if how == "SIGALRM" else f"ends the process: {how}"
    if "accepted" in begun:
        fault = f"takes what hurts the reference reader, which {fault}"
    tally.finds.append(Find(job["target"], begun["begin"], begun["role"], fault, pack(files)))
    return begun["begin"]


def _listen(worker, job, tally, deadline):
    """Count outcomes; return the line of a mutant that did not end."""
    begun = None
    for line in map(json.loads, worker.stdout):
        if "end" not in line:
            begun = {**(begun or {}), **line}
            continue
        if line["outcome"] in ("accepted", "refused"):
            setattr(tally, line["outcome"], getattr(tally, line["outcome"]) + 1)
        else:
            content = Path(line["file"]).read_bytes()
            found = (job["target"], begun["begin"], begun["role"], line["outcome"], content)
            tally.finds.append(Find(*found))
        begun = None
        if deadline is not None and time.monotonic() > deadline:
            worker.terminate()
            return None
    return begun
