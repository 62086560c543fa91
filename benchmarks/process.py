"""A command with a log, killed when its time is over or its watcher says so.

Whoever runs here writes down what it has as it goes: it is killed without a warning.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import ROOT

POLL_SECONDS = 0.05
_running: set[int] = set()  # process groups


@dataclass(frozen=True)
class Ended:
    """Exit status (negative: a signal; 127: not started), seconds, and why it was killed."""

    code: int
    seconds: float
    stopped: str = ""


def run(
    command: list[str],
    log: Path,
    seconds: float,
    *,
    env: Mapping[str, str] | None = None,
    watch: Callable[[], str | None] = lambda: None,
) -> Ended:
    """Run a command from the root of the repository, in a process group of its own.

    It is killed, its children too, after `seconds`, or when `watch`, asked often, gives a reason.
    """
    began = time.monotonic()
    with log.open("ab") as output:
        try:
            child = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=os.setpgrp,
            )
        except OSError as error:
            output.write(f"{command[0]}: {error.strerror}\n".encode())
            return Ended(127, 0.0)
        _running.add(child.pid)
        stopped = ""
        try:
            while child.poll() is None and not stopped:
                time.sleep(POLL_SECONDS)
                over = time.monotonic() - began > seconds
                stopped = f"not finished after {seconds:.0f} s" if over else watch() or ""
        finally:
            _kill(child.pid)
            with suppress(subprocess.TimeoutExpired):  # a driver may hold on to it for a while
                child.wait(10.0)
    code = -signal.SIGKILL if child.returncode is None else child.returncode
    return Ended(code, time.monotonic() - began, stopped)


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    _running.discard(group)


def kill_all() -> None:
    """Kill every command that still runs."""
    for group in list(_running):
        _kill(group)


def too_long(marker: Path, seconds: float) -> str | None:
    """Say so when a file has not been touched for longer than one thing may take."""
    try:
        age = time.time() - marker.stat().st_mtime
    except OSError:
        return None
    return f"not finished after {seconds:.0f} s" if age > seconds else None


def last_line(log: Path) -> str:
    """Return the last line of a log that says something."""
    lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "no message")
