"""The command line, as a user at a shell meets it."""

import csv
import errno
import inspect
import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from cases import error_of, with_options

import ally_fast
from ally_fast import report
from ally_fast.cli import info_command, main, select_command, select_outputs
from ally_fast.exports import EXTENSIONS

N, D, K, B = 60, 4, 5, 12
BASE = ("--embeddings", "pool.npy", "--scores", "scores.npy", "-b", str(B), "-k", str(K))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, rng):
    """Work in a folder that holds a pool and its scores."""
    monkeypatch.chdir(tmp_path)
    np.save("pool.npy", rng.normal(size=(N, D)).astype(np.float32))
    np.save("scores.npy", rng.normal(size=N))
    return tmp_path


def arguments(*options, out="batch.npy"):
    """Return the arguments of a run: the usual ones, but for those that `options` gives anew."""
    return with_options(["select", *BASE, "-o", out], *options)


def select(*options, out="batch.npy"):
    """Run the command with the usual files; return its exit status."""
    return main(arguments(*options, out=out))


def expected(**options):
    return ally_fast.select(np.load("pool.npy"), np.load("scores.npy"), B, K, **options)


def names(folder):
    return {path.name for path in folder.iterdir()}


# Results


def test_csv():
    assert select(out="batch.csv") == 0
    indices, info = expected(return_info=True)
    with open("batch.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == ["order", "index", "score", "cluster", "rank", "distance"]
    assert [int(row["order"]) for row in table] == list(range(B))
    assert [int(row["index"]) for row in table] == indices.tolist()
    assert [int(row["cluster"]) for row in table] == info.clusters.tolist()
    assert [int(row["rank"]) for row in table] == info.ranks.tolist()
    assert [float(row["score"]) for row in table] == info.scores.tolist()
    assert [float(row["distance"]) for row in table] == info.distances.tolist()


def test_npy():
    assert select(out="batch.npy") == 0
    assert np.load("batch.npy").dtype == np.int64
    np.testing.assert_array_equal(np.load("batch.npy"), expected())


def test_json():
    assert select(out="batch.json") == 0
    batch = json.loads(Path("batch.json").read_text())
    assert batch["indices"] == expected().tolist()
    assert batch["info"]["rows"] == N
    assert batch["info"]["picks"] == len(batch["score"]) == B


def test_parquet():
    pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
    assert select(out="batch.parquet") == 0
    table = pq.read_table("batch.parquet")
    assert table.column_names == ["order", "index", "score", "cluster", "rank", "distance"]
    np.testing.assert_array_equal(table["index"], expected())


def test_inputs_by_key():
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
    pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
    np.savez("pool.npz", rows=np.load("pool.npy"), duals=np.load("scores.npy"))
    columns = {"rows": list(np.load("pool.npy")), "duals": np.load("scores.npy")}
    pq.write_table(pa.table(columns), "pool.parquet", row_group_size=7)
    for file in ("pool.npz", "pool.parquet"):
        assert select("--embeddings", f"{file}:rows", "--scores", f"{file}:duals", "--force") == 0
        np.testing.assert_array_equal(np.load("batch.npy"), expected())


OPTIONS = {
    "allocation": ("proportional", "proportional"),
    "max_score": ("0.5", 0.5),
    "radius": ("0.8", 0.8),
    "train_size": ("all", None),
    "max_iter": ("1", 1),
    "tol": ("0.5", 0.5),
    "metric": ("cosine", "cosine"),
    "engine": ("sklearn", "sklearn"),
    "device": ("cpu", "cpu"),
    "seed": ("7", 7),
    "chunk_rows": ("9", 9),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options(name):
    text, value = OPTIONS[name]
    if name == "engine":
        pytest.importorskip("sklearn", reason="needs scikit-learn")
    assert select(f"--{name.replace('_', '-')}", text) == 0
    np.testing.assert_array_equal(np.load("batch.npy"), expected(**{name: value}))


def test_every_argument_of_select_has_its_option(monkeypatch):
    given = {}

    wanted = inspect.signature(ally_fast.select).parameters

    def spy(*positional, **options):
        given.update(options)
        raise ValueError("seen")

    monkeypatch.setattr(ally_fast, "select", spy)
    assert select() == 2
    assert {*given, "embeddings", "dual_scores", "ids"} == set(wanted)


def test_files_of_weights_labels_and_centroids(rng):
    weights, labeled = rng.random(K), rng.normal(size=(3, D)).astype(np.float16)
    np.save("weights.npy", weights)
    np.save("labeled.npy", labeled)
    assert select("--save-centroids", "centroids.npy", out="first.npy") == 0
    centroids = np.load("centroids.npy")
    assert centroids.shape == (K, D)
    files = ("--allocation", "weights.npy", "--labeled", "labeled.npy", "--radius", 0.5)
    assert select(*files, "--centroids", "centroids.npy") == 0
    wanted = expected(
        allocation=weights, labeled_embeddings=labeled, radius=0.5, centroids=centroids
    )
    np.testing.assert_array_equal(np.load("batch.npy"), wanted)


def test_centroids_know_their_metric_and_their_version(capsys):
    assert select("--save-centroids", "c.npy", "--metric", "cosine", out="first.npy") == 0
    capsys.readouterr()
    error = error_of(capsys, select("--centroids", "c.npy"))
    assert "--centroids c.npy: are for --metric cosine, not euclidean" in error
    assert select("--centroids", "c.npy", "--metric", "cosine") == 0
    capsys.readouterr()
    record = json.loads(Path("c.npy.json").read_text())
    Path("c.npy.json").write_text(json.dumps({**record, "version": 2}))
    error = error_of(capsys, select("--centroids", "c.npy", "--metric", "cosine", "--force"))
    assert "--centroids c.npy: have format 2; this version of ally-fast reads 1" in error


@pytest.mark.parametrize("kind", ["mask", "indices"])
def test_exclude(kind, rng):
    mask = rng.random(N) < 0.5
    np.save("exclude.npy", mask if kind == "mask" else np.flatnonzero(mask))
    assert select("--exclude", "exclude.npy") == 0
    np.testing.assert_array_equal(np.load("batch.npy"), expected(exclude=mask))


def test_the_next_rounds():
    """Batches written earlier are excluded as they are, beside a mask."""
    mask = np.arange(N) < 10
    np.save("mask.npy", mask)
    assert select("--exclude", "mask.npy", out="one.csv") == 0
    assert select("--exclude", "mask.npy", "--exclude", "one.csv", out="two.npy") == 0
    earlier = ally_fast.select(np.load("pool.npy"), np.load("scores.npy"), B, K, exclude=mask)
    wanted = expected(exclude=np.union1d(earlier, np.flatnonzero(mask)))
    np.testing.assert_array_equal(np.load("two.npy"), wanted)


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("b", [0, B])
def test_a_batch_in_any_format_is_excluded_next(extension, b):
    if extension == ".parquet":
        pytest.importorskip("pyarrow", reason="needs pyarrow")
    assert select("-b", b, out=f"one{extension}") == 0
    assert select("--exclude", f"one{extension}") == 0
    earlier = ally_fast.select(np.load("pool.npy"), np.load("scores.npy"), b, K)
    np.testing.assert_array_equal(np.load("batch.npy"), expected(exclude=earlier))


def test_threads(monkeypatch):
    seen = []
    real = ally_fast.select

    def spy(*positional, **options):
        seen.append(options["threads"])
        return real(*positional, **options)

    monkeypatch.setattr(ally_fast, "select", spy)
    assert select("--threads", 3) == 0
    assert seen == [3]


def test_plot():
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    assert select("--plot", "batch.png") == 0
    assert Path("batch.png").read_bytes().startswith(b"\x89PNG")


def test_report():
    pytest.importorskip("bokeh", reason="needs bokeh")
    assert select("--report", "batch.html", "--plot", "batch.png") == 0
    page = Path("batch.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "<code>ally-fast select --embeddings" in page
    assert "--report batch.html --plot batch.png</code>" in page
    assert "<h2>Arguments</h2>" in page
    assert Path("batch.png").read_bytes().startswith(b"\x89PNG")


def test_a_report_of_a_job_that_goes_on_is_that_of_one_run():
    pytest.importorskip("bokeh", reason="needs bokeh")
    told = []
    for words in (["--job", "job"], ["--job", "job", "--force"], ["--force"]):
        assert select("--report", "batch.html", *words) == 0
        text = Path("batch.html").read_text()
        told.append(text[text.index("<main>") : text.index("<h2>Time</h2>")])
    assert told[0] == told[1] == told[2]


def test_a_report_of_another_strategy_is_refused(capsys):
    words = ["select", "--embeddings", "pool.npy", "--strategy", "random", "-b", "5"]
    words += ["-o", "batch.npy", "--report", "batch.html"]
    assert "--report: the strategy random does not use it" in error_of(capsys, main(words))


# What is printed


def test_summary(capsys):
    assert select() == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = dict(line.split(maxsplit=1) for line in captured.out.splitlines())
    assert lines["rows"] == "60 (60 eligible)"
    assert lines["clusters"] == "5 (0 empty)"
    assert lines["picks"] == "12"
    assert lines["written"] == "batch.npy"
    assert {"seconds", "rows/s", "peak"} <= set(lines)


def test_quiet(capsys):
    assert select("--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_json_summary(capsys):
    assert select("--json") == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["rows"], summary["clusters"], summary["picks"]) == (N, K, B)
    assert summary["output"] == "batch.npy"
    assert summary["peak_memory_bytes"] > 0
    assert summary["stage_seconds"]["total"] == summary["seconds"] > 0


def test_info(capsys):
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    assert main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["version"] == ally_fast.__version__
    assert facts["isa"] in facts["isas_runnable"]
    assert set(facts["isas_runnable"]) <= set(facts["isas_compiled"])
    assert facts["threads"] >= 1
    assert facts["engines"]["native"]
    for word in (facts["version"], facts["isa"], "engines", "devices", "data folder"):
        assert word in text


def test_info_tells_engines_by_their_metadata(monkeypatch):
    versions = {"faiss-gpu": "1.15"}

    def version(name):
        if name in versions:
            return versions[name]
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    facts = info_command.installation()
    assert (facts["engines"]["faiss"], facts["engines"]["sklearn"]) == ("1.15", None)


def test_version(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"ally-fast {ally_fast.__version__}\n"


# Mistakes

MISTAKES = {
    "missing pool": (["--embeddings", "no.npy"], r"no\.npy: no such file"),
    "missing scores": (["--scores", "no.npy"], r"no\.npy: no such file"),
    "text as pool": (["--embeddings", "text.npy"], r"text\.npy: not a NumPy file of numbers"),
    "key not there": (["--embeddings", "z.npz:c"], r"z\.npz: no key 'c'; it has 'a', 'b'"),
    "extension in": (
        ["--embeddings", "x.txt"],
        r"x\.txt: vectors are not read from plain text; save",
    ),
    "extension out": (["-o", "batch.xls"], r"batch\.xls: .* \.csv, \.npy, \.parquet, \.json"),
    "folder out": (["-o", "no/batch.csv"], r"no: no such folder"),
    "output exists": (["-o", "old.csv"], r"old\.csv: exists; add --force"),
    "output is input": (["-o", "scores.npy", "--force"], r"scores\.npy: is already an input"),
    "output twice": (
        ["--save-centroids", "batch.npy"],
        r"batch\.npy: is already an input or another output",
    ),
    "k": (["-k", "0"], r"-k"),
    "b": (["-b", "61"], r"-b.*61.*60"),
    "metric": (["--metric", "l1"], r"--metric.*l1"),
    "engine": (["--engine", "magic"], r"--engine.*magic"),
    "device": (["--device", "cuda"], r"cuda"),
    "allocation": (["--allocation", "fair"], r"--allocation.*equal.*fair"),
    "labeled alone": (["--labeled", "pool.npy"], r"radius"),
    "scores length": (["--scores", "short.npy"], r"--scores.*3.*60"),
    "mask length": (["--exclude", "mask.npy"], r"--exclude mask\.npy.*2.*60"),
    "mask of numbers": (
        ["--exclude", "zeros.npy"],
        r"--exclude zeros\.npy: .*a mask must be booleans",
    ),
    "index": (["--exclude", "far.npy"], r"--exclude far\.npy.*99.*place 1"),
    "index of a batch": (["--exclude", "far.csv"], r"--exclude far\.csv.*60.*place 1"),
    "more indices than rows": (["--exclude", "many.npy"], r"--exclude many\.npy: holds 61 rows"),
    "column not there": (["--scores", "far.csv:s"], r"--scores far\.csv: no column 's'"),
    "a line of a CSV": (["--scores", "bad.csv:s"], r"--scores bad\.csv: line 3: column 's': '1_0'"),
    "a header eaten": (["--scores", "long.csv"], r"--scores long\.csv: line 1 must hold names"),
    "a header eaten as named": (["--scores", "long.csv:0.5"], r"--scores long\.csv: line 1 must"),
    "weights too many": (["--allocation", "scores.npy"], r"--allocation scores\.npy: .*60.*5"),
    "centroids too many": (["--centroids", "pool.npy"], r"--centroids pool\.npy: .*60.*5"),
    "centroids of a file": (["--centroids", "z.npz:a"], r"--centroids z\.npz: need one row of"),
    "labeled of a file": (["--labeled", "text.npy"], r"--labeled text\.npy: not a NumPy file"),
    "output is weights": (
        ["--allocation", "w.npy", "-o", "w.npy", "--force"],
        r"w\.npy: is already an input or another output",
    ),
    "scores not finite": (["--scores", "nan.npy"], r"--scores nan\.npy: 60 of 60 scores are NaN"),
    "rows not finite": (
        ["--embeddings", "nan2.npy"],
        r"--embeddings nan2\.npy: row 0 holds NaN .*; 60 of 60 rows",
    ),
    "rows of truth values": (["--embeddings", "bool.npy"], r"--embeddings bool\.npy must hold"),
    "weights of zero": (["--allocation", "w.npy"], r"--allocation w\.npy: got weight 0"),
    "centroids of another width": (
        ["--centroids", "narrow.npy"],
        r"--centroids narrow\.npy: got shape \(5, 3\), needs \(5, 4\)",
    ),
    "train size": (["--train-size", "most"], r"'most' is not auto, all or a number"),
    "threads": (["--threads", "0"], r"'0' is not a number from 1 to 4096"),
    "too many threads": (["--threads", "9" * 20], r"--threads: '9+' is not a number from 1 to"),
    "huge b": (["-b", "9" * 20], r"-b: got 9+, needs less than 2\*\*63"),
    "huge k": (["-k", "9" * 20], r"-k: .* less than"),
    "huge seed": (["--seed", "9" * 20], r"--seed: .* less than 2\*\*64"),
    "huge chunks": (["--chunk-rows", "9" * 20], r"--chunk-rows: .* less than"),
    "huge iterations": (["--max-iter", "9" * 20], r"--max-iter: .* less than"),
    "huge sample": (["--train-size", "9" * 20], r"--train-size: .* less than"),
    "beyond digits": (["-b", "9" * 5000], r"-b.*invalid int value: '9+ \.\.\. 9+' \(see"),
    "huge radius": (["--radius", "9" * 400], r"--radius: got inf, needs a finite number"),
    "twice": (["--seed", "1", "--seed", "2"], r"--seed: given twice"),
    "twice, two names": (["-b", "1", "--budget", "2"], r"-b/--budget: given twice"),
    "twice, with =": (["--seed=1", "--seed=2"], r"--seed: given twice"),
    "flag twice": (["--quiet", "--quiet"], r"--quiet: given twice"),
    "shortened": (["--see", "1"], r"unrecognized arguments: --see"),
    "pipe out": (["-o", "pipe.csv", "--force"], r"pipe\.csv: is not a regular file"),
    "device out": (["-o", "/dev/stdout"], r"error: /dev/stdout: the extension must be one of"),
    "file named as an argument": (["-o", "centroids.npy"], r"error: centroids\.npy: exists"),
    "output named as an argument": (["-o", "k"], r"error: k: the extension must be one of"),
    "folder named as an argument": (["-o", "k/batch.npy"], r"error: k: no such folder"),
    "not a number": (["-b", "ten"], r"-b.*ten"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes(case, folder, capsys):
    options, message = MISTAKES[case]
    np.savez("z.npz", a=[1], b=[2])
    np.save("short.npy", np.zeros(3))
    np.save("mask.npy", np.array([True, False]))
    np.save("zeros.npy", np.zeros(N, int))
    np.save("far.npy", np.array([1, 99]))
    np.save("many.npy", np.zeros(N + 1, int))
    np.save("nan.npy", np.full(N, np.nan))
    np.save("nan2.npy", np.full((N, D), np.nan))
    np.save("bool.npy", np.zeros((N, D), bool))
    np.save("w.npy", np.zeros(K))
    np.save("narrow.npy", np.zeros((K, 3)))
    Path("far.csv").write_text("order,index\n0,3\n1,60\n")
    Path("bad.csv").write_text("s\n1\n1_0\n")
    Path("long.csv").write_text("0.5\n" * (N + 1))
    np.save("centroids.npy", np.zeros((K, D)))
    os.mkfifo("pipe.csv")
    for name in ("text.npy", "x.txt", "old.csv"):
        Path(name).write_text("text")
    before = names(folder)
    try:
        status = select(*options)
    except SystemExit as end:
        status = end.code
    error = error_of(capsys, status)
    assert re.search(message, error)
    assert len(error) <= 300
    assert names(folder) == before
    assert Path("old.csv").read_text() == "text"


@pytest.mark.parametrize(
    ("option", "file"), [("--embeddings", "pool.npy"), ("--scores", "scores.npy")]
)
def test_a_file_that_changes_while_it_is_mapped(option, file, capsys, monkeypatch):
    real = ally_fast.select

    def spy(pool, scores, *positional, **options):
        os.truncate(file, 128 + 8)
        return real(pool, scores, *positional, **options)

    monkeypatch.setattr(ally_fast, "select", spy)
    error = error_of(capsys, select())
    assert error.startswith(f"ally-fast: error: {option} {Path(file).absolute()}: the file changed")
    assert error.count(file) == 1


def test_an_input_that_does_not_fit_into_memory(capsys, monkeypatch):
    def fail(*positional, **options):
        raise MemoryError("Unable to allocate 4 TiB")

    monkeypatch.setattr(select_command, "open_column", fail)
    error = error_of(capsys, select())
    assert error == (
        "ally-fast: error: --scores scores.npy: out of memory: Unable to allocate 4 TiB\n"
    )
    with pytest.raises(ValueError, match=r"^--scores scores\.npy") as caught:
        select("--debug")
    assert isinstance(caught.value.__cause__, MemoryError)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("a\nb"), OSError("disk full")])
def test_other_errors_are_one_line_too(error, capsys, monkeypatch):
    def fail(*positional, **options):
        raise error

    monkeypatch.setattr(ally_fast, "select", fail)
    error_of(capsys, select())
    with pytest.raises(type(error)):
        select("--debug")


@pytest.mark.parametrize(
    ("package", "options", "message"),
    [
        ("matplotlib", ["--plot", "p.png"], r"--plot needs matplotlib: pip .*\[report\]"),
        ("bokeh", ["--report", "p.html"], r"--report needs bokeh: pip .*\[report\]"),
        ("pyarrow", ["-o", "b.parquet"], r"writing b\.parquet needs pyarrow: pip .*\[parquet\]"),
    ],
)
def test_a_missing_package_is_told_before_any_work(package, options, message, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(ally_fast, "select", None)
    assert re.search(message, error_of(capsys, select(*options)))


def test_force_replaces():
    Path("batch.npy").write_text("old")
    assert select("--force") == 0
    np.testing.assert_array_equal(np.load("batch.npy"), expected())


def test_an_interrupted_write_leaves_nothing(folder, capsys, monkeypatch):
    def write_half(file, *rest):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", write_half)
    before = names(folder)
    assert select("--save-centroids", "centroids.npy", out="batch.csv") == 130
    assert capsys.readouterr() == ("", "ally-fast: interrupted\n")
    assert names(folder) == before


# As a process of its own


def environment():
    return {**os.environ, "PYTHONPATH": str(Path(ally_fast.__file__).parents[1])}


def start(*words, **variables):
    """Start the command with some variables of the environment set."""
    return subprocess.Popen(
        [sys.executable, "-m", "ally_fast", *words],
        env={**environment(), **variables},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_python_m():
    process = start("select", *BASE, "-o", "batch.npy")
    output, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert output.startswith("rows")


def test_the_reader_of_the_output_goes_away():
    process = start("info")
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 141


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_signals(number, status, word, folder):
    os.mkfifo("slow.csv")  # reading it waits until somebody writes
    before = names(folder)
    # Started in the background the tests themselves may ignore signals, which children inherit.
    ours = signal.signal(number, signal.default_int_handler)
    process = start("select", *BASE[:3], "slow.csv:s", *BASE[4:], "-o", "batch.npy")
    signal.signal(number, ours)
    with open("slow.csv", "w"):  # opens once the process reads
        process.send_signal(number)
        try:
            output, errors = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:  # Python drops what is raised in a callback of an import
            process.send_signal(number)
            output, errors = process.communicate(timeout=20)
    assert (process.returncode, output) == (status, "")
    assert errors.endswith(f"ally-fast: {word}\n")
    assert names(folder) == before


def finish(*words, **variables):
    """Run the command as a process of its own; return status, output and errors."""
    process = start(*words, **variables)
    output, errors = process.communicate()
    return process.returncode, output, errors


def shell(redirection, *words):
    """Run the command with a redirection that only a shell can express."""
    line = f"exec {shlex.join([sys.executable, '-m', 'ally_fast', *words])} {redirection}"
    command = ["sh", "-c", line]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_standard_output_may_be_closed_if_nothing_is_printed():
    assert shell(">&-", *arguments("--quiet")) == (0, "", "")
    np.testing.assert_array_equal(np.load("batch.npy"), expected())


@pytest.mark.parametrize("options", [(), ("--json",), ("--json", "--quiet")])
def test_what_cannot_be_printed_is_told_before_any_work(options, folder):
    before = names(folder)
    closed = "ally-fast: error: standard output is closed, so nothing can be printed\n"
    assert shell(">&-", *arguments(*options)) == (2, "", closed)
    assert shell(">&-", "info") == (2, "", closed)
    assert names(folder) == before


def test_standard_output_may_be_full():
    full = "ally-fast: error: standard output: No space left on device\n"
    assert shell(">/dev/full", *arguments()) == (2, "", full)


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "<&- 2>&-"])
def test_without_standard_error_the_status_tells(redirection):
    assert shell(redirection, *arguments("-k", "0")) == (2, "", "")
    assert shell(redirection, *arguments("--kk", "0")) == (2, "", "")
    assert shell(redirection, *arguments("--quiet")) == (0, "", "")
    np.testing.assert_array_equal(np.load("batch.npy"), expected())  # not what else was printed


def test_a_name_that_the_encoding_lacks_is_printed_as_an_escape():
    status, output, errors = finish(*arguments(out="β.npy"), PYTHONIOENCODING="ascii")
    assert (status, errors) == (0, "")
    assert output.endswith(r"written     \u03b2.npy" + "\n")
    np.testing.assert_array_equal(np.load("β.npy"), expected())


def test_a_name_of_any_bytes_is_printed():
    name = os.fsdecode(b"\xff.npy")
    status, output, errors = finish(*arguments(out=name))
    assert (status, errors) == (0, "")
    assert output.endswith(r"written     \udcff.npy" + "\n")


@pytest.mark.parametrize("full", ["--plot", "--save-centroids"])
def test_all_outputs_appear_or_none(full, folder, capsys, monkeypatch):
    pytest.importorskip("matplotlib", reason="needs matplotlib")

    def fill(*rest):
        raise OSError(errno.ENOSPC, "No space left on device")

    owner, name = (select_outputs, "save_figure") if full == "--plot" else (np, "save")
    monkeypatch.setattr(owner, name, fill)
    last = {"--plot": "batch.png", "--save-centroids": "centroids.npy"}[full]
    before = names(folder)
    assert select(full, last, out="batch.csv") == 2
    assert capsys.readouterr().err == f"ally-fast: error: {last}: No space left on device\n"
    assert names(folder) == before


def test_a_disk_on_which_there_is_room_for_the_batch_but_not_for_the_picture(folder):
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    before = names(folder)
    words = arguments("--plot", "batch.png", "--quiet", out="batch.csv")
    line = f"ulimit -f 8; exec {shlex.join([sys.executable, '-m', 'ally_fast', *words])}"
    done = subprocess.run(
        ["sh", "-c", line], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.endswith("ally-fast: error: batch.png: File too large\n")
    assert names(folder) == before


def test_force_keeps_the_mode(folder):
    path = folder / "batch.npy"
    path.touch(mode=0o600)
    assert select("--force") == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_long_error_keeps_its_beginning_and_its_end(capsys, monkeypatch):
    def fail(*rest, **options):
        raise ValueError("scores.npy: " + "many columns, " * 99 + "needs 'score'")

    monkeypatch.setattr(ally_fast, "select", fail)
    status = select()
    message = error_of(capsys, status)
    assert message.startswith("ally-fast: error: --scores scores.npy: many columns, ")
    assert message.endswith("many columns, needs 'score'\n")
    assert " ... " in message
    assert len(message) == 300


# The process imports NumPy, where it is interrupted: by a package of that name found before it.
IMPORTING = """
import os, signal
os.kill(os.getpid(), signal.SIGINT)
for _ in range(10): pass
raise ImportError("the import went on")
"""


def test_ctrl_c_while_it_imports(folder):
    (folder / "numpy.py").write_text(IMPORTING)
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)
    status = finish("info", PYTHONPATH=os.pathsep.join([str(folder), environment()["PYTHONPATH"]]))
    signal.signal(signal.SIGINT, ours)
    assert status == (130, "", "ally-fast: interrupted\n")


def test_ctrl_c_is_ignored_where_it_was(folder):
    ours = signal.signal(signal.SIGINT, signal.SIG_IGN)
    (folder / "numpy.py").write_text(IMPORTING)
    path = os.pathsep.join([str(folder), environment()["PYTHONPATH"]])
    status, _, errors = finish("info", PYTHONPATH=path)
    signal.signal(signal.SIGINT, ours)
    assert status == 1
    assert errors.endswith("ImportError: the import went on\n")


def test_scores_of_excluded_rows_may_be_null(folder, capsys):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    scores = [None] * 5 + np.load("scores.npy")[5:].tolist()
    parquet.write_table(arrow.table({"s": scores}), "null.parquet")
    np.save("first.npy", np.arange(5))
    assert select("--scores", "null.parquet:s", "--exclude", "first.npy", "-o", "got.npy") == 0
    assert select("--exclude", "first.npy", "-o", "right.npy") == 0
    np.testing.assert_array_equal(np.load("got.npy"), np.load("right.npy"))
    capsys.readouterr()
    status = select("--scores", "null.parquet:s", "-o", "none.npy")
    assert "--scores null.parquet:s: 5 of 60 scores are NaN" in error_of(capsys, status)


def test_the_stages_add_up_to_the_total(capsys):
    assert select("--json", out="batch.json") == 0
    summary = json.loads(capsys.readouterr().out)
    stages = summary["stage_seconds"]
    total = stages.pop("total")
    assert sum(stages.values()) == pytest.approx(total)
    assert next(iter(stages)) == "open"
    assert {"check", "sample", "train", "assign", "batch", "write"} <= set(stages)
    assert stages["open"] > 0
    assert stages["write"] > 0
    inside = json.loads(Path("batch.json").read_text())["info"]["stage_seconds"]
    assert "write" not in inside  # it was not over


def test_the_stages_shown_add_up_to_the_total():
    stages = {"open": 0.5, "check": 0.004, "radius": 0.008, "train": 1.0, "write": 0.5}
    shown = report.summary._long_stages({**stages, "total": 2.012})
    assert shown == {"open": 0.5, "train": 1.0, "write": 0.5}
    shown = report.summary._long_stages({**stages, "radius": 0.019, "total": 2.023})
    assert shown == {"open": 0.5, "train": 1.0, "write": 0.5, "other": pytest.approx(0.023)}


@pytest.mark.parametrize("command", [(), ("select",), ("experiment",), ("info",)])
def test_help_fits_80_columns(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as end:
        main([*command, "--help"])
    assert end.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 5
    assert {line for line in lines if len(line) > 80} == set()
