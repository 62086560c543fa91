"""A line on a terminal, nothing elsewhere, and no trace when done."""

import io

import pytest

from ally_fast import progress
from ally_fast.progress import Progress


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Let each look at the clock take a second, on an ordinary terminal."""
    seconds = iter(range(1000))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(seconds)))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")


def run(stream, enabled=True, error=None):
    with Progress(enabled, 4000, "assign", stream=stream) as line:
        for _ in range(4):
            line.advance(1000)
        if error is not None:
            raise error


def test_the_line_tells_share_count_rate_and_time_left():
    terminal = Terminal()
    run(terminal)
    lines = terminal.getvalue().split("\r")[1:]
    assert len(lines) == 5
    assert lines[1].startswith("assign     ━━━━━━━━━━━━┈┈┈┈┈┈┈┈┈┈┈┈  50%")
    assert "2,000 of 4,000 rows  1.00 k rows/s  0:02 left" in lines[1]


def test_the_line_is_wiped():
    terminal = Terminal()
    with pytest.raises(KeyboardInterrupt):
        run(terminal, error=KeyboardInterrupt())
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_narrow_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    terminal = Terminal()
    run(terminal)
    longest = max(len(line.removesuffix("\x1b[K")) for line in terminal.getvalue().split("\r"))
    assert longest == 29


def test_a_terminal_without_unicode():
    terminal = Terminal()
    terminal.encoding = "ascii"
    run(terminal)
    assert "############............" in terminal.getvalue()
    assert terminal.getvalue().isascii()


@pytest.mark.parametrize("case", ["pipe", "disabled", "dumb"])
def test_silence(case, monkeypatch):
    if case == "dumb":
        monkeypatch.setenv("TERM", "dumb")
    stream = io.StringIO() if case == "pipe" else Terminal()
    run(stream, enabled=case != "disabled")
    assert stream.getvalue() == ""


def test_no_stream_at_all(monkeypatch):
    monkeypatch.setattr(progress.sys, "stderr", None)
    run(None)


def test_nothing_to_do():
    terminal = Terminal()
    with Progress(True, 0, "assign", stream=terminal) as line:
        line.advance(0)
    assert "100%" in terminal.getvalue()
