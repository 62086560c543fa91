"""A bar on a terminal, a line now and then elsewhere, and no trace when done."""

import fcntl
import io
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

import ally_fast
from ally_fast import progress
from ally_fast.progress import Progress, stages

# Each advance takes a moment that the bar notices.
CHILD = """
import sys, time
from ally_fast.progress import Progress, stages
def run(total, step, label, note="", **options):
    with Progress(True, total, label, **options) as bar:
        for _ in range(4):
            time.sleep(0.11)
            bar.advance(step, note)
with stages("sample", "k-means", "assign"):
    {work}
"""
WORK = {
    "rows": 'run(26_000_000, 6_500_000, "assign")',
    "bound": 'run(25, 3, "k-means", unit="iterations", at_most=True)',
    "note": 'run(100, 25, "train", note="loss 0.5", unit="epochs")',
    "nothing": 'run(0, 0, "assign")',
    "error": 'run(100, "x", "assign")',
    "select": """
    import ally_fast, numpy
    x = numpy.random.default_rng(0).normal(size=(500, 8))
    ally_fast.select(x, x[:, 0], 20, 4, progress=True)""",
    "ctrl-c": 'run(10, 1, "assign"); time.sleep(60)',
}


class Terminal:
    """A process on a terminal of some columns."""

    def __init__(self, work, columns, **variables):
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        environment = {name: text for name, text in os.environ.items() if name != "COLUMNS"}
        root = str(Path(ally_fast.__file__).parents[1])
        path = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
        variables = {"TERM": "xterm", "PYTHONPATH": path, "PYTHONUTF8": "1", **variables}
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD.format(work=WORK[work])],
            stderr=theirs,
            env={**environment, **variables},
        )
        os.close(theirs)
        self.text = ""

    def read(self):
        try:
            part = os.read(self._ours, 4096)
        except OSError:  # the other side is closed
            part = b""
        self.text += part.decode(errors="replace")
        return part

    def finish(self):
        """Return what was drawn, line by line."""
        while self.read():
            pass
        os.close(self._ours)
        self.process.wait()
        return self.text.split("\r")


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize(
    ("work", "line"),
    [
        ("rows", r"assign 3/3  50%\|█+.*\| 13\.0M/26\.0M \[ *[\d.]+M rows/s, 00:00 left\]"),
        ("bound", r"k-means 2/3  24%\|.+\| 6/25 \[ *[\d.]+it/s, max 00:\d\d left\]"),
        ("note", r"train  50%\|.+\| 50/100 \[ *[\d.]+it/s, 00:00 left, loss 0\.5\]"),
        ("nothing", r"assign 3/3   0%\|.*\| 0\.00/\? \[.*\]"),
    ],
)
def test_a_bar_is_legible_and_leaves_nothing(work, line, columns):
    lines = Terminal(work, columns).finish()
    assert any(re.fullmatch(line, one) for one in lines), lines
    assert max(map(len, lines)) < columns
    assert not lines[-1].strip()
    assert not lines[-2].strip()
    assert "\n" not in "".join(lines)


def test_the_stages_of_a_selection_are_numbered():
    text = "".join(Terminal("select", 80).finish())
    assert re.findall(r"[a-z-]+ \d/\d(?=   0%)", text) == [
        "sample 1/3",
        "k-means 2/3",
        "assign 3/3",
    ]


def test_without_unicode_the_bar_is_ascii():
    text = "".join(Terminal("rows", 60, PYTHONUTF8="0", PYTHONIOENCODING="ascii").finish())
    assert "#" in text
    assert text.isascii()


def test_an_error_follows_a_clean_line():
    lines = Terminal("error", 80).finish()
    before, _, error = "\r".join(lines).partition("Traceback")
    assert not before.split("\r")[-1].strip()
    assert "TypeError" in error


def test_ctrl_c_leaves_a_clean_line():
    terminal = Terminal("ctrl-c", 80)
    while "30%" not in terminal.text:
        assert terminal.read()
    terminal.process.send_signal(signal.SIGINT)
    before, _, error = "\r".join(terminal.finish()).partition("Traceback")
    assert not before.split("\r")[-1].strip()
    assert "KeyboardInterrupt" in error


# Where there is no terminal


@pytest.fixture
def clock(monkeypatch):
    """Let each look at the clock take 20 seconds."""
    seconds = iter(range(0, 10**6, 20))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(seconds)))


def run(stream, enabled=True, note=""):
    with stages("sample", "assign"), Progress(enabled, 400_000, "assign", stream=stream) as bar:
        for _ in range(4):
            bar.advance(100_000, note)


def test_a_line_every_half_minute(clock):
    stream = io.StringIO()
    run(stream, note="fine")
    first, second = stream.getvalue().splitlines()
    assert first == "assign 2/2 50%: 200k/400k rows [5.00k rows/s, 00:40 left, fine]"
    assert second == "assign 2/2 100%: 400k/400k rows [5.00k rows/s, 00:00 left, fine]"


def test_a_short_run_writes_nothing():
    stream = io.StringIO()
    run(stream)
    assert stream.getvalue() == ""


def test_a_dumb_terminal_has_lines(clock, monkeypatch):
    class Dumb(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "dumb")
    run(stream := Dumb())
    assert len(stream.getvalue().splitlines()) == 2


def test_nothing_if_not_wanted(clock):
    stream = io.StringIO()
    run(stream, enabled=False)
    assert stream.getvalue() == ""


def test_no_stream_at_all(monkeypatch):
    monkeypatch.setattr(progress.sys, "stderr", None)
    run(None)


def test_a_notebook_has_its_widget(monkeypatch):
    from tqdm import auto

    made = []

    class Widget(auto.tqdm):
        def __init__(self, **options):
            made.append(options)
            super().__init__(**{**options, "file": io.StringIO()})

    monkeypatch.setattr(auto, "notebook_tqdm", Widget)
    monkeypatch.setattr(auto, "tqdm", Widget)
    stream = io.StringIO()
    run(stream)
    assert made[0]["desc"] == "assign 2/2"
    assert made[0]["file"] is None
    assert stream.getvalue() == ""
