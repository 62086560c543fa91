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


def test_the_line_tells_share_and_count():
    terminal = Terminal()
    run(terminal)
    lines = terminal.getvalue().split("\r")[1:]
    assert len(lines) == 6
    assert lines[0].startswith("assign     ┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈   0%  0 of 4,000 rows\x1b")
    assert lines[2].startswith("assign     ━━━━━━━━━━━━┈┈┈┈┈┈┈┈┈┈┈┈  50%  2,000 of 4,000 rows  ")


def test_rate_and_time_left(monkeypatch):
    terminal = Terminal()
    with Progress(True, 4000, "assign", stream=terminal) as line:
        monkeypatch.setattr(progress.time, "monotonic", lambda: 10.0)
        line._started, line._next_draw = 0.0, 0.0
        line.advance(2000)
    assert "200 rows/s  0:10 left" in terminal.getvalue()


def test_a_note_on_what_was_counted():
    terminal = Terminal()
    with Progress(True, 3, "train", unit="epochs", stream=terminal) as line:
        line.advance(1, "loss 0.5")
    assert terminal.getvalue().split("\r")[2].endswith(" left  loss 0.5\x1b[K")


def test_a_total_that_is_a_bound(monkeypatch):
    terminal = Terminal()
    with Progress(True, 25, "k-means", unit="steps", at_most=True, stream=terminal) as line:
        monkeypatch.setattr(progress.time, "monotonic", lambda: 10.0)
        line._started, line._next_draw = 0.0, 0.0
        line.advance(5)
    assert "5 of at most 25 steps  2 s each  at most 0:40 left" in terminal.getvalue()


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
