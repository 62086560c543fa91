"""Outputs for labeling tools, and labels that come back, from the command line."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from cases import error_of

import ally_fast
from ally_fast.cli import main

pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")

N, D, K, B = 90, 4, 5, 12


@pytest.fixture(params=["texts", "integers"])
def ids(request, rng):
    numbers = rng.permutation(10 * N)[:N]
    return numbers if request.param == "integers" else np.array([f"im, {i}" for i in numbers])


@pytest.fixture(autouse=True)
def rows(ids, rng):
    """Write a pool with scores, groups, costs and three columns to keep."""
    rows = rng.normal(size=(N, D)).astype(np.float32)
    columns = {
        "emb": pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), D),
        "image_id": ids,
        "score": rng.random(N),
        "camera": [f"c{i % 3}" for i in range(N)],
        "euros": np.full(N, 0.1),
        "uri": [f"cats/{i}.jpg" for i in range(N)],
        "width": [640] * N,
        "height": [480] * N,
    }
    pq.write_table(pa.table(columns), "pool.parquet")
    return rows


def select(*options, out, ids=(":image_id",)):
    command = ["select", "pool.parquet", "--column", "emb", "--scores", ":score"]
    command += ["-b", str(B), "-k", str(K), "-o", out, "--quiet"]
    for spec in ids:
        command += ["--ids", spec]
    return main([*command, *map(str, options)])


def picks(**options):
    table = pq.read_table("pool.parquet")
    return ally_fast.select(table, table["score"].to_numpy(), B, K, **options)


def test_label_studio_there_and_back(rows, ids):
    """Tasks, labels of some of them, a second round that repeats none of those labeled."""
    assert select("--format", "label-studio", "--keep", "uri", out="tasks.json") == 0
    first = picks()
    tasks = json.loads(Path("tasks.json").read_text())
    assert [task["data"]["image_id"] for task in tasks] == ids[first].tolist()
    assert [task["data"]["uri"] for task in tasks] == [f"cats/{i}.jpg" for i in first]
    export = []
    for number, task in enumerate(tasks):
        annotation = {"id": number, "result": [], "was_cancelled": number % 3 == 1}
        export.append({"id": number, **task, "annotations": [annotation][: number % 3]})
    Path("export.json").write_text(json.dumps(export))
    assert select("--exclude", "export.json", "--exclude", "export.json:image_id", out="2.npy") == 0
    labeled = first[2::3]
    np.testing.assert_array_equal(np.load("2.npy"), picks(exclude=labeled))
    assert select("--exclude", "tasks.json", out="3.npy") == 0
    np.testing.assert_array_equal(np.load("3.npy"), picks(exclude=first))


def test_an_export_without_labels_excludes_nothing(ids):
    tasks = [{"data": {"image_id": ids[0].item()}, "annotations": []}]
    Path("export.json").write_text(json.dumps(tasks))
    Path("labeled.csv").write_text(f'id\n"{ids[1]}"\n')
    assert select("--exclude", "export.json", "--exclude", "labeled.csv", out="2.npy") == 0
    np.testing.assert_array_equal(np.load("2.npy"), picks(exclude=[1]))


def test_the_name_of_the_ids_comes_before_id(ids):
    """A file of somebody else's may have an id of its own."""
    other = ids[5].item()
    task = {"data": {"id": other, "image_id": ids[0].item()}}
    Path("export.json").write_text(json.dumps([task]))
    Path("labels.csv").write_text(f'id,image_id\n"{other}","{ids[0]}"\n')
    for name in ("export.json", "labels.csv"):
        assert select("--exclude", name, "--force", out="2.npy") == 0
        np.testing.assert_array_equal(np.load("2.npy"), picks(exclude=[0]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "item 0 is not a Label Studio task"),
        ('[{"data": {"image_id": 1, "image_id": 2}}]', "has 'image_id' twice"),
        ('[{"data": {"image_id": NaN}}]', "holds NaN, needs finite numbers"),
        ('[{"data": {"image_id": 1e999}}]', "holds 1e999, needs finite numbers"),
        ('[{"data": {"image_id": 1.5}}]', "must be integers or texts"),
        ('[{"data": {"image_id": 1}}, {"data": {"image_id": "a"}}]', "needs integers or texts; "),
        ('[{"data": {"image_id": 36893488147419103232}}]', "needs integers or texts; "),
        ('[{"data": {"image_id": null}}]', "the id of row 0 is missing"),
        ('[{"data": {"image_id": [1]}}]', "must be integers or texts"),
        ('[{"data": {"file": 1}}]', "task 0: 'data': no key 'image_id'; it has 'file'"),
        ('[{"data": ', "not JSON, at line 1"),
    ],
)
def test_exports_that_are_none(text, message, capsys):
    Path("export.json").write_text(text)
    error = error_of(capsys, select("--exclude", "export.json", out="2.npy"))
    assert error.startswith("ally-fast: error: --exclude export.json: ")
    assert message in error


def test_ids_of_another_kind(ids, capsys):
    other = "x" if ids.dtype.kind == "i" else 7
    Path("export.json").write_text(json.dumps([{"data": {"image_id": other}}]))
    Path("labeled.txt").write_text(f"{ids[0]}\n")
    status = select("--exclude", "labeled.txt", "--exclude", "export.json", out="2.npy")
    assert re.search(
        "export.json: exclude_ids: got (texts|integers), needs", error_of(capsys, status)
    )


def test_an_export_needs_ids(capsys):
    assert select("--format", "label-studio", out="tasks.json") == 0
    error = error_of(capsys, select("--exclude", "tasks.json", out="2.npy", ids=()))
    assert "--exclude tasks.json: holds ids, but the pool has no ids" in error


def test_groups_and_costs_are_columns():
    options = ("--groups", ":camera", "--max-per-group", 5, "--cost", ":euros")
    assert select(*options, "--cost-budget", 1.0, out="batch.csv") == 0
    with open("batch.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert {row["group"] for row in table} == {"c0", "c1", "c2"}
    assert {row["cost"] for row in table} == {"0.1"}
    assert len(table) == 10


def test_cvat():
    keep = ("--keep", "uri,width,height", "--data-column", "uri")
    assert select(*keep, "--format", "cvat", out="manifest.jsonl") == 0
    lines = [json.loads(line) for line in Path("manifest.jsonl").read_text().splitlines()]
    assert lines[:2] == [{"version": "1.1"}, {"type": "images"}]
    size = {"width": 640, "height": 480}
    wanted = [{"name": f"cats/{i}", "extension": ".jpg", **size} for i in picks()]
    assert lines[2:] == wanted
    assert select("--keep", "uri", "--format", "cvat", out="files.txt") == 0
    assert Path("files.txt").read_text().split() == [f"cats/{i}.jpg" for i in picks()]


@pytest.mark.parametrize("name", ["files.txt", "stream.jsonl"])
def test_what_was_written_for_a_tool_is_no_list_of_ids(name, capsys):
    form = {"files.txt": "cvat", "stream.jsonl": "prodigy"}[name]
    column = {"files.txt": "uri", "stream.jsonl": "image=uri"}[name]
    assert select("--format", form, "--keep", "uri", "--data-column", column, out=name) == 0
    error = error_of(capsys, select("--exclude", name, out="2.npy"))
    assert f"--exclude {name}: was written for another tool" in error


def test_fiftyone_is_excluded_next():
    assert select("--format", "fiftyone", out="picks.json") == 0
    assert select("--exclude", "picks.json", out="2.npy") == 0
    np.testing.assert_array_equal(np.load("2.npy"), picks(exclude=picks()))


MISTAKES = {
    "format": (["--format", "excel"], "x.csv", "--format: invalid choice: 'excel'"),
    "extension": (["--format", "cvat"], "x.csv", "x.csv: the extension must be one of .jsonl"),
    "no ids": (
        ["--format", "label-studio"],
        "x.json",
        "--ids: got none; the format label-studio needs them",
    ),
    "no column": (
        ["--format", "prodigy"],
        "x.jsonl",
        "--data-column: got none; the format prodigy needs",
    ),
    "a number": (
        ["--format", "prodigy", "--keep", "width", "--data-column", "text=width"],
        "x.jsonl",
        "--data-column: 'width' must hold texts; it holds int64",
    ),
    "no sizes": (
        ["--format", "cvat", "--keep", "uri"],
        "x.jsonl",
        "--keep: got no width, height, but a CVAT manifest needs the size of every image",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_told_before_any_work(case, capsys, folder, monkeypatch):
    options, out, message = MISTAKES[case]
    monkeypatch.setattr(ally_fast, "select", None)
    before = {path.name for path in folder.iterdir()}
    try:
        status = select(*options, out=out, ids=() if case == "no ids" else (":image_id",))
    except SystemExit as end:
        status = end.code
    assert message in error_of(capsys, status)
    assert {path.name for path in folder.iterdir()} == before


def test_what_is_found_late_leaves_nothing(folder, capsys):
    table = pq.read_table("pool.parquet")
    pq.write_table(table.append_column("far", pa.array([np.inf] * N)), "pool.parquet")
    before = {path.name for path in folder.iterdir()}
    error = error_of(capsys, select("--keep", "far", out="batch.jsonl"))
    assert "column 'far' holds inf, which JSON cannot hold" in error
    assert {path.name for path in folder.iterdir()} == before
