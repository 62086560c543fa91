"""The runner of a GPU machine: budgets, kills, verdicts, exit status. No GPU is needed."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import process
from benchmarks.gpu import __main__ as runner
from benchmarks.gpu import files, parts, present, summary
from benchmarks.gpu.files import File, Result
from benchmarks.gpu.peers import folder
from benchmarks.gpu.summary import FAILED, IMPOSSIBLE, PASSED, STOPPED, PartOutcome

PLANTED = "tests/gpu/planted"


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
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", {child!r}]).pid)
time.sleep(60)
"""
    began = time.monotonic()
    ended = process.run(script(text), tmp_path / "log", 2.0)
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


def test_a_watcher_stops_a_command(tmp_path):
    ended = process.run(
        script("import time; time.sleep(60)"), tmp_path / "log", 50, watch=lambda: "enough"
    )
    assert ended.stopped == "enough"


def test_a_command_that_is_not_there_is_no_exception(tmp_path):
    assert process.run(["no-such-command-here"], tmp_path / "log", 5).code == 127


def test_what_a_part_leaves_over_goes_to_those_after_it():
    shares = runner.SHARES
    first = runner.share(["build", "test"], 100.0)
    assert first == pytest.approx(100 * shares["build"] / (shares["build"] + shares["test"]))
    assert runner.share(["test"], 90.0) == 90.0


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
        runner.RUNNERS, "test", lambda out, seconds: PartOutcome("test", PASSED, "12 tests", 1.0)
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
    assert summary.exit_status([PartOutcome("test", status) for status in statuses]) == code


def test_riskiest_files_come_first_and_hopper_parameters_last():
    found = files.found()
    assert found[0].path == "tests/ops/test_scan_sm90a.py"
    assert found[-1] == File(found[-1].path, "sm90a")
    assert File("tests/ops/test_assign_cuda.py", "not sm90a") in found
    where = {file.path: at for at, file in enumerate(found) if file.only != "sm90a"}
    assert where["tests/ops/test_halve_cuda.py"] < where["tests/selection/test_cuda.py"]
    assert files.SMOKE not in where
    assert len(set(found)) == len(found)


def test_a_file_that_is_not_begun_is_said_to_be_stopped(tmp_path):
    (result,) = files.run([File(f"{PLANTED}/fine.py")], tmp_path, 0.0)
    assert (result.status, result.reason) == (STOPPED, "not begun: out of time")


def test_each_test_is_written_down(tmp_path):
    """No GPU is needed for that: the plugin of pytest and the log."""
    path, out = tmp_path / "test_some.py", tmp_path / "out"
    out.mkdir()
    lines = ["import pytest", "pytestmark = pytest.mark.gpu", "def test_fine(): pass"]
    path.write_text("\n".join([*lines, "def test_wrong(): assert 1 == 2, 'planted'"]))
    (result,) = files.run([File(str(path))], out, 200.0)
    assert (result.status, result.passed) == (FAILED, 1)
    assert result.reason.startswith("test_wrong: AssertionError: planted")
    assert [name.rpartition("::")[2] for name in result.failed] == ["test_wrong"]
    told = files.read(out / "tests.ndjson", f"test: {path}")
    assert [line["outcome"] for line in told] == ["begun", "passed", "begun", "failed"]
    assert "planted" in (out / "test.log").read_text()


def test_every_file_that_did_not_pass_is_told():
    results = [
        Result("a.py", PASSED, passed=5),
        Result("b.py", STOPPED, "test_b: not finished after 60 s", failed=["b.py::test_b"]),
        Result("c.py", FAILED, "test_c: 1 != 2", failed=["c.py::test_c"], again="passed"),
    ]
    outcome = parts._outcome("test", results)
    assert outcome.status == FAILED
    assert outcome.detail.splitlines() == [
        "3 files, 5 passed, 0 skipped, 2 failed",
        "  stopped b.py: test_b: not finished after 60 s",
        "  failed c.py: test_c: 1 != 2; each launch waited for: passed",
    ]
    assert parts._outcome("test", [Result("a.py", PASSED)]).detail == "no test ran"


def test_without_compute_sanitizer_its_part_cannot_run(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert parts.sanitize(tmp_path, 10.0).status == IMPOSSIBLE


@pytest.mark.gpu
def test_each_planted_fault_costs_one_file(tmp_path):
    """A hang, a fault that stays, a wrong answer: in the emulator, told and survived."""
    if "ALLY_FAST_EMULATED_CUDA" not in os.environ:
        pytest.skip("the faults are planted in the emulator")
    names = ("fine", "hang", "illegal", "wrong")
    wanted = [File(f"{PLANTED}/{name}.py") for name in names]
    results = files.run(wanted, tmp_path, 500.0, test_seconds=6.0)
    fine, hang, illegal, wrong = results
    assert (fine.status, fine.passed, fine.reason) == (PASSED, 2, "")
    assert (hang.status, hang.passed) == (STOPPED, 1)
    assert hang.reason == "test_planted: not finished after 6 s"
    assert (illegal.status, illegal.passed) == (STOPPED, 1)
    words = "an illegal memory access was encountered"
    assert illegal.reason.startswith("test_planted broke the device: RuntimeError: ")
    assert illegal.reason.endswith(words)
    assert (wrong.status, wrong.passed) == (FAILED, 2)  # what comes after it is fine
    assert "Arrays are not equal" in wrong.reason
    assert [result.failed for result in results[1:]] == [
        [f"{file.path}::test_planted"] for file in wanted[1:]
    ]
    # Again, each launch waited for: the same, and the launch itself is named.
    assert illegal.again.endswith(f"RuntimeError: gather: launch: {words}")
    assert hang.again == hang.reason
    log = (tmp_path / "test.log").read_text()
    assert "Timeout (0:00:04" in log  # the traceback of the hang
    assert {path.name for path in tmp_path.iterdir()} == {"test.log", "tests.ndjson"}
    assert parts._outcome("test", results).status == FAILED


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
