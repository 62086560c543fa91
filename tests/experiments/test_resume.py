"""An experiment is continued where its files say so, and only if they can be right."""

import json
import shutil

import numpy as np
import pytest
from cases import with_options

pytest.importorskip("torch")

from ally_fast.cli import main
from ally_fast.experiments import runs
from ally_fast.experiments.arm import parse_arms
from ally_fast.experiments.loop import done, prepare
from ally_fast.experiments.protocol import Protocol
from ally_fast.experiments.round_rows import RoundFile


@pytest.fixture
def resumed(finished, tmp_path, capsys, monkeypatch):
    """Return a function that changes a copy of a finished experiment, and continues it."""

    def go(change, *options):
        command, folder = finished
        copy = tmp_path / "copy"
        shutil.copytree(folder, copy)
        change(copy)
        before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
        monkeypatch.setattr(runs, "_run", lambda *arguments: pytest.fail("work has begun"))
        assert main(with_options(command, "-o", copy, *options)) == 2
        assert before == {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
        told = capsys.readouterr().err
        assert told.startswith("ally-fast: error: ")
        assert told.count("\n") == 1
        return told

    return go


def rows_file(folder):
    return folder / "rows" / "random,seed=0.jsonl"


def change_row(number, change):
    """Return what changes a row of the file, given as an object."""

    def apply(folder):
        lines = rows_file(folder).read_text().splitlines()
        row = json.loads(lines[number])
        change(row)
        lines[number] = json.dumps(row)
        rows_file(folder).write_text("\n".join(lines) + "\n")

    return apply


def put(place, value):
    return lambda row: row["batch"].__setitem__(place, value)


def repeat(row):
    row["batch"][3] = row["batch"][1]


@pytest.mark.parametrize(
    ("number", "change", "message"),
    [
        (0, put(2, -1), "line 1: batch[2]: got -1, needs a row of the pool, [0, 260)"),
        (1, put(0, 260), "line 2: batch[0]: got 260, needs a row of the pool, [0, 260)"),
        (1, put(4, 10**30), "line 2: batch[4]: got 1000000000000000000000000000000, needs a row"),
        (0, put(1, 7.5), "line 1: batch[1]: got 7.5, needs an integer"),
        (0, put(1, True), "line 1: batch[1]: got true, needs an integer"),
        (0, repeat, "line 1: batch[3]: row "),
        (0, lambda row: row["batch"].pop(), "line 1: batch: got 4 rows, needs 5"),
        (1, lambda row: row["batch"].append(0), "line 2: batch: got 6 rows, needs 5"),
        (1, lambda row: row.pop("batch"), "line 2: has no 'batch', which the next round needs"),
        (1, lambda row: row.update(labeled=20), "line 2: labeled: got 20, needs 25"),
        (2, lambda row: row.update(round=1), "line 3: round: got 1, needs 2"),
        (2, lambda row: row.pop("accuracy"), "line 3: has neither 'accuracy' nor 'squared_error'"),
        (0, lambda row: row.update(seed=1), "line 1: seed: got 1, needs 0"),
    ],
)
def test_rows_that_cannot_be_of_the_run(number, change, message, resumed):
    told = resumed(change_row(number, change), "--rounds", "3")
    assert f"random,seed=0.jsonl, {message}" in told


def test_a_batch_of_rows_labeled_at_the_start(resumed, finished):
    first = initial_rows(finished)[0]
    told = resumed(change_row(0, put(2, first)))
    assert f"line 1: batch[2]: row {first} is already labeled" in told


def initial_rows(finished):
    """Return what was labeled before the first batch, of which the files do not tell."""
    command, folder = finished
    dataset = prepare(Protocol(dataset=command[1]))
    protocol = Protocol(dataset=command[1], initial=20, b=5)
    (arm,) = parse_arms("random")
    file = RoundFile(folder / "rows", "random", 0)
    return done(dataset, protocol, arm, 0, file)[1][:20].tolist()


def test_a_batch_of_rows_labeled_before(resumed, finished):
    _, folder = finished
    first = json.loads(rows_file(folder).read_text().splitlines()[0])["batch"]
    told = resumed(change_row(1, put(0, first[3])))
    assert f"line 2: batch[0]: row {first[3]} is already labeled" in told


@pytest.mark.parametrize("line", ["[]", "3", "not json", '{"arm": "random"}', '{"accuracy": NaN}'])
def test_a_line_that_is_no_row(line, resumed):
    def add(folder):
        with rows_file(folder).open("a") as file:
            file.write(line + "\n")

    assert "random,seed=0.jsonl, line 4: " in resumed(add)


def header(change):
    def apply(folder):
        path = folder / "experiment.json"
        given = json.loads(path.read_text())
        path.write_text(json.dumps(change(given)))

    return apply


def without(name):
    return header(lambda given: {key: value for key, value in given.items() if key != name})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("protocol"), "experiment.json: needs 'protocol', an object"),
        (without("commands"), "experiment.json: needs 'commands', a list of strings"),
        (header(lambda given: {**given, "protocol": [1]}), "experiment.json: needs 'protocol'"),
        (header(lambda given: {**given, "commands": "ls"}), "experiment.json: needs 'commands'"),
        (header(lambda given: {**given, "commands": [1]}), "experiment.json: needs 'commands'"),
        (header(lambda given: [given]), "experiment.json: got list, needs an object"),
        (
            lambda folder: (folder / "experiment.json").write_text('{\n "protocol": {,\n'),
            "experiment.json: not JSON, at line 2, column 15: ",
        ),
        (
            lambda folder: (folder / "experiment.json").write_bytes(b"\xff\xfe{}"),
            "experiment.json: not JSON: byte 0 is not UTF-8",
        ),
        (
            lambda folder: (folder / "experiment.json").write_text(""),
            "experiment.json: not JSON, at line 1, column 1: ",
        ),
        (
            lambda folder: (folder / "experiment.json").unlink(),
            "experiment.json, which names their experiment, is missing; needs another folder",
        ),
    ],
)
def test_headers_that_say_not_what_the_rows_are_of(change, message, resumed):
    assert message in resumed(change)


def test_other_data_of_the_same_name_and_size(finished, tmp_path, capsys):
    command, _ = finished
    path = tmp_path / "clouds.npz"
    copy, output = [command[0], str(path), *command[2:]], tmp_path / "out"
    shutil.copy(command[1], path)
    assert main(with_options(copy, "-o", output)) == 0
    arrays = dict(np.load(path))
    arrays["targets"][7] = (arrays["targets"][7] + 1) % 3
    np.savez(path, **arrays)
    assert main(with_options(copy, "-o", output, "--rounds", 3)) == 2
    assert "holds an experiment on other data than clouds.npz" in capsys.readouterr().err


def test_a_header_of_an_earlier_version_names_no_data(finished, tmp_path):
    command, folder = finished
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    without("data_digest")(copy)
    assert main(with_options(command, "-o", copy, "--rounds", 3)) == 0
    assert "data_digest" in json.loads((copy / "experiment.json").read_text())
