"""A command with a log, stopped when its time is over or its watcher says so."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import ROOT

POLL_SECONDS = 0.05
LARGEST_LOG = 15 * 2**20


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Parameters
    ----------
    code : int
        Exit status, negative for a signal; 127 if it could not be started.
    seconds : float
        How long it ran.
    stopped : str
        Why it was stopped, empty if it ended by itself.
    """

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
    grace_seconds: float = 8.0,
) -> Ended:
    """Run a command in a process group of its own, its output added to a log.

    Not in a session of its own: who ends ours then ends its children too.

    Parameters
    ----------
    command : list of str
        What to run, from the root of the repository.
    log : Path
        Where standard output and error go.
    seconds : float
        Interrupt it after this long; what does not end then is killed, children included.
    env : mapping, optional
        Added to the environment.
    watch : callable
        Asked often; a text means: stop it now, for this reason.
    grace_seconds : float
        How long an interrupted command may take to write down what it has.
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
                preexec_fn=_begin,
            )
        except OSError as error:
            output.write(f"{command[0]}: {error.strerror}\n".encode())
            return Ended(127, 0.0)
        stopped = ""
        try:
            while child.poll() is None and not stopped:
                time.sleep(POLL_SECONDS)
                over = time.monotonic() - began > seconds
                stopped = f"not finished after {seconds:.0f} s" if over else watch() or ""
        finally:
            if child.poll() is None:
                _stop(child, grace_seconds)
    return Ended(child.returncode, time.monotonic() - began, stopped)


def _begin() -> None:
    """Lead a group, and heed interruptions where our own parent ignores them."""
    os.setpgrp()
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _stop(child: subprocess.Popen[bytes], grace_seconds: float) -> None:
    """Interrupt, then terminate, then kill the whole group."""
    for number, wait in (
        (signal.SIGINT, grace_seconds),
        (signal.SIGTERM, 1.0),
        (signal.SIGKILL, 10.0),
    ):
        try:
            os.killpg(child.pid, number)
            child.wait(wait)
            if number != signal.SIGKILL:
                continue  # children of a child that has ended get the next signals
        except (subprocess.TimeoutExpired, ProcessLookupError):
            continue


def last_line(log: Path) -> str:
    """Return the last line of a log that says something."""
    lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "no message")


def shorten(log: Path, largest: int = LARGEST_LOG) -> None:
    """Cut the middle out of a log that is too large to be carried."""
    if not log.is_file() or log.stat().st_size <= largest:
        return
    text = log.read_bytes()
    half = largest // 2
    log.write_bytes(text[:half] + b"\n[... cut ...]\n" + text[-half:])
