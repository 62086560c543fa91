import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("torch")

from cases import with_options

from ally_fast.cli import main
from ally_fast.experiments.round_rows import load_rounds

SMALL = ("--initial", "20", "-b", "15", "--max-epochs", "3", "--batch-size", "16")


def experiment(path, output, *options, strategies="random,ally:k=3", seeds=2, rounds=2):
    arguments = ["experiment", path, "--strategies", strategies, "--seeds", seeds]
    arguments += ["--rounds", rounds, "-o", output, *SMALL]
    return with_options([str(argument) for argument in arguments], *options)


def rows_of(output, arms=None):
    return [
        {k: v for k, v in vars(row).items() if not k.endswith("seconds")}
        for row in load_rounds(output / "rows", arms)
    ]


def test_rows_table_and_picture(classes_npz, tmp_path, capsys):
    output = tmp_path / "out"
    assert main(experiment(classes_npz, output)) == 0
    printed = capsys.readouterr().out
    rows = rows_of(output)
    assert len(rows) == 2 * 2 * 3
    assert (output / "curves.png").read_bytes().startswith(b"\x89PNG")
    table = (output / "table.txt").read_text()
    assert table in printed
    last = [row["accuracy"] for row in rows if row["arm"] == "ally:k=3" and row["round"] == 2]
    assert f"{100 * sum(last) / 2:.2f} %" in table
    header = json.loads((output / "experiment.json").read_text())
    assert len(header["commands"]) == 1
    assert header["protocol"]["b"] == 15
    assert header["protocol"]["epsilon"] is None


def test_processes_change_nothing(classes_npz, tmp_path):
    options = ("--quiet", "--threads", "1")
    assert main(experiment(classes_npz, tmp_path / "one", *options)) == 0
    assert main(experiment(classes_npz, tmp_path / "two", *options, "--jobs", "2")) == 0
    assert rows_of(tmp_path / "one") == rows_of(tmp_path / "two")


def test_more_seeds_rounds_and_strategies_later(classes_npz, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main(experiment(classes_npz, whole, "--quiet")) == 0
    assert (
        main(experiment(classes_npz, parts, "--quiet", seeds=1, rounds=1, strategies="random")) == 0
    )
    before = {path: path.stat().st_mtime_ns for path in (parts / "rows").iterdir()}
    assert main(experiment(classes_npz, parts, "--quiet")) == 0
    assert rows_of(parts) == rows_of(whole)
    assert set(before) < set((parts / "rows").iterdir())


def test_what_is_done_is_not_done_again(classes_npz, tmp_path):
    assert main(experiment(classes_npz, tmp_path / "out", "--quiet")) == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out" / "rows").iterdir()}
    assert main(experiment(classes_npz, tmp_path / "out", "--quiet", "--jobs", "2")) == 0
    assert before == {path: path.read_bytes() for path in (tmp_path / "out" / "rows").iterdir()}


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_kill_loses_no_row(jobs, classes_npz, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    options = ("--quiet", "--threads", 1)
    assert main(experiment(classes_npz, whole, *options, rounds=6)) == 0
    command = [sys.executable, "-m", "ally_fast"]
    command += experiment(classes_npz, killed, *options, "--jobs", jobs, rounds=6)
    process = subprocess.Popen(command, start_new_session=True)
    while not rows_written(killed) and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert main([*experiment(classes_npz, killed, *options, rounds=6)]) == 0
    assert rows_of(killed) == rows_of(whole)


def rows_written(output):
    return any(path.stat().st_size for path in (output / "rows").glob("*.jsonl"))


def test_an_error_in_a_process_comes_out(classes_npz, tmp_path, monkeypatch, capsys):
    output = tmp_path / "out"
    assert main(experiment(classes_npz, output, "--quiet", seeds=1, rounds=1)) == 0
    broken = next((output / "rows").glob("ally*"))
    broken.write_text('{"arm": "ally:k=3"}\n')
    assert main(experiment(classes_npz, output, "--quiet", "--jobs", "2")) == 2
    assert "ally-fast: error:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--epsilon", "0.5"), "holds an experiment with epsilon=None, but this one has 0.5"),
        (("-b", "16"), "holds an experiment with b=15, but this one has 16"),
    ],
)
def test_another_experiment_in_the_folder(options, message, classes_npz, tmp_path, capsys):
    output = tmp_path / "out"
    assert main(experiment(classes_npz, output, "--quiet", rounds=1, seeds=1)) == 0
    before = rows_of(output)
    assert main(experiment(classes_npz, output, "--quiet", *options)) == 2
    assert message in capsys.readouterr().err
    assert rows_of(output) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--strategies", "randon"), "strategies: got 'randon'"),
        (("--rounds", "0"), "rounds: got 0, needs at least 1"),
        (("--rounds", "99"), "rounds: clouds has a pool of 260 rows"),
        (("--seeds", "0"), "seeds: got 0"),
        (("--jobs", "0"), "jobs: got 0"),
        (("--initial", "0"), "initial: got 0"),
        (("--epsilon", "nan"), "epsilon"),
        (("--dual-update", "never"), "--dual-update: got 'never'"),
        (("--split", "rows"), "split"),
        (("--split-by-seed",), "needs parkinsons"),
        (("--labels", ":y", "--split-by-seed"), "needs parkinsons"),
    ],
)
def test_mistakes_are_told_before_work(options, message, classes_npz, tmp_path, capsys):
    output = tmp_path / "out"
    assert main(experiment(classes_npz, output, *options)) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert not list(output.glob("rows/*"))


def test_a_file_in_the_way(classes_npz, tmp_path, capsys):
    (tmp_path / "out").write_text("mine")
    assert main(experiment(classes_npz, tmp_path / "out")) == 2
    assert "is not a folder" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "mine"


def test_no_such_data(tmp_path, capsys):
    assert main(experiment(str(tmp_path / "absent.npz"), tmp_path / "out")) == 2
    assert "absent.npz" in capsys.readouterr().err
