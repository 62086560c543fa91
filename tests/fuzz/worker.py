"""A process that reads mutants, and says before each which it is: it may be its last.

It is given a folder to work in and a JSON object on standard input: the target, and mutants by
number or files of cases. It prints a line of JSON before a mutant and one after it.
"""

import contextlib
import io
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from fuzz.targets import OPTIONS, TARGETS, B, K, UnjudgedError, pack, pieces, put_files, unpack

import ally_fast
from ally_fast.cli import main

SECONDS = 10  # for a mutant of a few KiB; usual is a hundredth of one
RADIUS, MAX_PER_GROUP = 0.4, 3
OTHER_LENGTH = "ally-fast: error: --scores duals.npy: holds 40 rows, needs "
_SHORTAGE = ("memory", "allocate", "malloc")


class Checker:
    """Runs the command on mutants in the working directory."""

    def __init__(self, target):
        self.target = target
        self.pieces = pieces()
        np.save("pool.npy", self.pieces["embeddings"])
        np.save("duals.npy", self.pieces["dual_scores"])
        self.unraised = []
        sys.unraisablehook = lambda found: self.unraised.append(repr(found.exc_value))

    def outcome(self, role):
        """Return "accepted", "refused", or what is wrong."""
        options = self.options(role)
        printed, complaints = io.StringIO(), io.StringIO()
        try:
            with (
                warnings.catch_warnings(),
                contextlib.redirect_stdout(printed),
                contextlib.redirect_stderr(complaints),
            ):
                warnings.simplefilter("error")
                # Values that a mutant drove far apart, told as they should be.
                warnings.simplefilter("ignore", ally_fast.PrecisionWarning)
                status = main(options)
        except BaseException as error:
            return f"raises {type(error).__name__}: {error}"
        if self.unraised:
            return f"leaves behind {self.unraised.pop()}"
        if printed.getvalue():
            return f"prints {printed.getvalue()[:200]}"
        if foreign := _foreign_output():
            return f"lets a library print {foreign[:200]}"
        say = complaints.getvalue()
        if status == 0:
            return f"succeeds, and says {say}" if say else self.compared(role)
        return self.fault_of(status, say, role) or "refused"

    def options(self, role):
        """Return the arguments of the command."""
        given = {"embeddings": "pool.npy", "dual_scores": "duals.npy"}
        given[role] = self.target.source(role)
        options = [part for name in given for part in (OPTIONS[name], given[name])]
        if role == "labeled_embeddings":
            options += ["--radius", str(RADIUS)]
        if role == "groups":
            options += ["--max-per-group", str(MAX_PER_GROUP)]
        return [
            "select",
            *options,
            "-b",
            str(B),
            "-k",
            str(K),
            "-o",
            "batch.npy",
            "--quiet",
            "--force",
        ]

    def fault_of(self, status, say, role):
        """Return what is wrong with an error, None if nothing is."""
        path = str(self.target.path())
        if status != 2:
            return f"ends with {status}: {say}"
        if role == "embeddings" and say.startswith(OTHER_LENGTH):
            return None  # a pool may declare any number of rows, and leave them unwritten
        if not say.startswith(f"ally-fast: error: {OPTIONS[role]}") or say.count(path) != 1:
            return f"does not name option and file, once: {say}"
        if say.count("\n") != 1 or len(say) > 300:
            return f"says more than a line of 300 characters: {say}"
        if any(word in say.lower() for word in _SHORTAGE):
            return f"asks for more memory than there is: {say}"
        return None

    def compared(self, role):
        """Compare the batch with that of the values as the reference reader has them."""
        given = {name: self.pieces[name] for name in ("embeddings", "dual_scores")}
        batch = np.load("batch.npy")
        say({"accepted": batch.tolist()})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                given[role] = self.target.read(self.target.path(), self.target.key(role))
            except UnjudgedError:
                return "accepted"
            except Exception as error:
                return f"takes what the reference refuses: {type(error).__name__}: {error}"
            if role == "labeled_embeddings":
                given["radius"] = RADIUS
            if role == "groups":
                given["max_per_group"] = MAX_PER_GROUP
            try:
                wanted = ally_fast.select(**given, b=B, k=K)
            except (ValueError, TypeError) as error:
                return f"takes what is refused of the reference: {error}"
        if not np.array_equal(batch, wanted):
            return f"gives {batch.tolist()}, needs {wanted.tolist()}"
        return "accepted"


def _foreign_output():
    """Return what was written to standard error behind Python's back."""
    size = os.lseek(2, 0, os.SEEK_END)
    if not size:
        return ""
    found = os.pread(2, 1000, 0).decode(errors="replace")
    os.ftruncate(2, 0)
    os.lseek(2, 0, os.SEEK_SET)
    return found


def say(line):
    _protocol.write(json.dumps(line) + "\n")
    _protocol.flush()


def limit_memory(most_bytes):
    """Let this process grow by so much, and no more."""
    with open("/proc/self/status") as file:
        kib = {line.split(":")[0]: line.split()[1] for line in file if line.startswith("Vm")}
    for limit, now in ((resource.RLIMIT_DATA, "VmData"), (resource.RLIMIT_AS, "VmSize")):
        most = int(kib.get(now, 0)) * 1024 + most_bytes
        if now in kib:
            resource.setrlimit(limit, (most, most))


def mutants(target, job):
    """Yield (number or name of a case, role, files)."""
    if "cases" in job:
        for case in map(Path, job["cases"]):
            yield str(case), case.stem.split(".")[1], unpack(case.read_bytes(), target)
        return
    for number in range(job["start"], job["stop"]):
        with tempfile.TemporaryDirectory(dir=".") as folder:
            role, files = target.mutant(job["seed"], number, Path(folder))
        yield number, role, files


def run(job):
    """Run a job."""
    target = TARGETS[job["target"]]
    checker = Checker(target)
    path = target.path()
    for role in target.roles:  # loads all that is needed, before memory is limited
        target.valid(0, role, path)
        if (outcome := checker.outcome(role)) != "accepted":
            raise AssertionError(f"a valid file as {role}: {outcome}")
        _remove(path)
    limit_memory(target.memory_bytes)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, also within a library
    for number, role, files in mutants(target, job):
        put_files(files, path)
        say({"begin": number, "role": role})
        signal.alarm(SECONDS)
        outcome = checker.outcome(role)
        signal.alarm(0)
        line = {"end": number, "outcome": outcome}
        if outcome not in ("accepted", "refused"):
            kept = Path(f"found-{number}.bin" if isinstance(number, int) else "found.bin")
            kept.write_bytes(pack(files))
            line["file"] = str(kept.resolve())
        say(line)
        _remove(path)


def _remove(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    _protocol = os.fdopen(os.dup(1), "w")
    job = json.load(sys.stdin)
    errors = os.open("errors.txt", os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    try:
        real = os.dup(2)
        os.dup2(errors, 2)
        run(job)
    except BaseException:
        os.dup2(real, 2)
        raise
