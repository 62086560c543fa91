"""The runner of a GPU machine: budgets, kills, verdicts, exit status. No GPU is needed."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.gpu import __main__ as runner
from benchmarks.gpu import parts, present, process, small_tests, summary
from benchmarks.gpu.budget import SHARES, Budget
from benchmarks.gpu.peers import folder
from benchmarks.gpu.process import Ended
from benchmarks.gpu.summary import FAILED, IMPOSSIBLE, PASSED, STOPPED, Outcome


def script(text):
    return [sys.executable, "-c", text]


def test_without_a_gpu_one_sentence_and_nothing_done(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(present, "why_no_gpu", lambda: "the driver is not there")
    assert runner.main(["--out", str(tmp_path / "out")]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert "no GPU: the driver is not there" in told.err
    assert not (tmp_path / "out").exists()


def test_make_gpu_needs_a_folder():
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(["make", "gpu", "OUT="], cwd=root, capture_output=True, text=True)
    assert done.returncode != 0
    assert "OUT=folder" in done.stdout


def test_a_command_ends_by_itself_and_its_output_is_kept(tmp_path):
    ended = process.run(script("print('a'); print('b'); raise SystemExit(3)"), tmp_path / "log", 20)
    assert (ended.code, ended.stopped) == (3, "")
    assert process.last_line(tmp_path / "log") == "b"


def test_a_command_is_stopped_at_its_budget_children_included(tmp_path):
    child = "import time; time.sleep(60)"
    text = f"""
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
print(subprocess.Popen([sys.executable, "-c", {child!r}]).pid)
time.sleep(60)
"""
    began = time.monotonic()
    ended = process.run(script(text), tmp_path / "log", 0.6, grace_seconds=0.2)
    assert time.monotonic() - began < 10
    assert ended.code < 0
    assert "not finished after" in ended.stopped
    pid = int((tmp_path / "log").read_text().split()[0])
    for _ in range(40):
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or stat.read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the child lives on")


def test_an_interrupted_command_may_write_down_what_it_has(tmp_path):
    text = """
import time
try:
    print("begun", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("kept")
"""
    process.run(script(text), tmp_path / "log", 0.8)
    assert process.last_line(tmp_path / "log") == "kept"


def test_a_watcher_stops_a_command(tmp_path):
    ended = process.run(
        script("import time; time.sleep(60)"), tmp_path / "log", 50, watch=lambda: "enough"
    )
    assert ended.stopped == "enough"


def test_a_command_that_is_not_there_is_no_exception(tmp_path):
    assert process.run(["no-such-command-here"], tmp_path / "log", 5).code == 127


def test_long_logs_lose_their_middle(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"a" * 5000 + b"b" * 5000)
    process.shorten(log, 1000)
    text = log.read_text()
    assert len(text) < 1100
    assert text.startswith("aaa")
    assert text.endswith("bbb")


def test_what_a_part_leaves_over_goes_to_those_after_it(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    budget = Budget(9.0, SHARES)
    first = budget.next()
    assert first == pytest.approx(SHARES["build"] / sum(SHARES.values()) * (540 - 6))
    now[0] = 10.0
    rest = 534 - 10
    shares = [SHARES[part] for part in ("test", "sanitize", "bench")]
    assert budget.next() == pytest.approx(rest * shares[0] / sum(shares))
    budget.next()
    assert budget.next() == pytest.approx(rest)
    now[0] = 1e4
    assert budget.left == 0


def test_parts_are_named_and_ordered():
    assert runner.asked_parts("bench build", "quick") == (["build", "bench"], [])
    assert runner.asked_parts("bench:assign,bench:dual", "quick") == (["bench"], ["assign", "dual"])
    with pytest.raises(ValueError, match="no part 'tests'"):
        runner.asked_parts("tests", "quick")
    with pytest.raises(ValueError, match="no slice 'nothing'"):
        runner.asked_parts("bench:nothing", "quick")


def test_a_part_that_fails_does_not_stop_the_others(monkeypatch, tmp_path, capsys):
    def broken(out, seconds):
        raise RuntimeError("no compiler")

    monkeypatch.setattr(present, "why_no_gpu", lambda: None)
    monkeypatch.setitem(runner.RUNNERS, "build", broken)
    monkeypatch.setitem(
        runner.RUNNERS, "test", lambda out, seconds: Outcome("test", PASSED, "12 tests", 1.0)
    )
    assert runner.main(["--out", str(tmp_path), "--parts", "build test"]) == 1
    written = json.loads((tmp_path / "summary.json").read_text())
    assert [part["status"] for part in written["parts"]] == [FAILED, PASSED]
    assert written["finished"]
    last = capsys.readouterr().out.strip().splitlines()
    assert "RuntimeError: no compiler" in last[-2]
    assert "12 tests" in last[-1]


@pytest.mark.parametrize(
    ("statuses", "code"),
    [([PASSED, PASSED], 0), ([PASSED, STOPPED], 1), ([IMPOSSIBLE], 1), ([], 1)],
)
def test_exit_status(statuses, code):
    assert summary.exit_status([Outcome("test", status) for status in statuses]) == code


CLEAN = "small tests run: 7\n========= ERROR SUMMARY: 0 errors\n"


@pytest.mark.parametrize(
    ("ended", "text", "status"),
    [
        (Ended(0, 9.0), CLEAN, PASSED),
        (Ended(86, 9.0), CLEAN.replace(": 0", ": 4"), FAILED),
        (Ended(86, 9.0), "small tests run: 7\nRACECHECK SUMMARY: 2 hazards displayed", FAILED),
        (Ended(1, 9.0), CLEAN, FAILED),
        (Ended(0, 9.0), "small tests run: 0", FAILED),
        (Ended(-9, 9.0, "not finished after 9 s"), "", STOPPED),
        (Ended(1, 9.0), "========= Error: Device not supported", IMPOSSIBLE),
    ],
)
def test_what_the_sanitizer_found(ended, text, status):
    assert parts.sanitizer_verdict(ended, text)[0] == status


def test_junit_counts(tmp_path):
    path = tmp_path / "test.xml"
    path.write_text('<testsuites><testsuite tests="5" failures="1" skipped="2"/></testsuites>')
    assert parts.junit_counts(path) == {"tests": 5, "failures": 1, "errors": 0, "skipped": 2}
    assert parts.junit_counts(tmp_path / "none.xml") == {}


def test_small_tests_take_turns():
    items = ["a1", "a2", "a3", "b1", "c1", "c2"]
    turns = ["a1", "b1", "c1", "a2", "c2", "a3"]
    assert small_tests.in_turn(items, lambda item: item[0]) == turns


def test_small_tests_stop_when_their_time_is_over(tmp_path):
    (tmp_path / "test_x.py").write_text(
        "import time\n\ndef test_a():\n    time.sleep(0.3)\n\ndef test_b():\n    assert False\n"
        "\ndef test_large():\n    assert False\n"
    )
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "pytest", str(tmp_path), "-q", "-p", "no:cacheprovider"]
    command += ["-p", "benchmarks.gpu.small_tests", "-c", "/dev/null"]
    env = {"PYTHONPATH": str(root), "ALLY_FAST_SMALL_TESTS_SECONDS": "0.2", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "small tests run: 1" in done.stdout


def test_rivals_are_unpacked_once(tmp_path, monkeypatch):
    import tarfile
    import zipfile

    monkeypatch.setenv(folder.VARIABLE, str(tmp_path))
    with zipfile.ZipFile(tmp_path / "rival-1.0-py3-none-any.whl", "w") as file:
        file.writestr("rival_of_ours/__init__.py", "NAME = 'rival'")
    inside = tmp_path / "__init__.py"
    inside.write_text("")
    with tarfile.open(tmp_path / "other.tar.xz", "w:xz") as file:
        file.add(inside, "other_rival/__init__.py")
        file.add(inside, "other_rival/lib64/libother.so")
    (tmp_path / "broken.whl").write_bytes(b"no archive")
    assert [text.split(":")[0] for text in folder.unpack()] == ["broken.whl"]
    assert [path.name for path in folder.unpacked()] == [
        "other.tar.xz",
        "rival-1.0-py3-none-any.whl",
    ]
    assert len(folder.unpack()) == 1
    assert "other_rival/lib64" in folder.library_path()["LD_LIBRARY_PATH"]
    monkeypatch.setattr(sys, "path", list(sys.path))
    folder.extend_path()
    import rival_of_ours

    assert rival_of_ours.NAME == "rival"
