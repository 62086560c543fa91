"""``--strategy``: strategies without clusters, with the same outputs."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from cases import error_of

from ally_fast.cli import main
from ally_fast.strategies import (
    GIST,
    ALLYHerding,
    ClusterMargin,
    Context,
    CoreSet,
    EntropySampling,
    MarginSampling,
    MaxHerding,
    RandomSampling,
    TypicalStart,
    UncertaintyHerding,
)

pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")

N, D, C, B = 90, 4, 3, 12
IDS = [f"im{i}" for i in range(N)]


@pytest.fixture(autouse=True)
def rows(rng):
    """Write a pool of three shards with ids."""
    rows = rng.normal(size=(N, D)).astype(np.float32)
    rows[7] = np.nan
    Path("pool").mkdir()
    for shard, part in enumerate(np.array_split(np.arange(N), 3)):
        write(f"pool/{shard}.parquet", emb=rows[part], image_id=[IDS[i] for i in part])
    return rows


@pytest.fixture(autouse=True)
def probabilities(rng):
    """Write class probabilities, by position and by id in another order."""
    found = rng.dirichlet(np.ones(C), N)
    order = rng.permutation(N)
    np.save("p.npy", found)
    write("p.parquet", p=found[order], image_id=[IDS[i] for i in order])
    write("few.parquet", p=found[order[1:]], image_id=[IDS[i] for i in order[1:]])
    np.save("bad.npy", np.where(np.arange(N)[:, None] == 5, 7.0, found))
    Path("first.txt").write_text(IDS[order[0]] + "\n")
    return found


def write(path, **columns):
    for name, values in columns.items():
        if isinstance(values, np.ndarray):
            columns[name] = pa.FixedSizeListArray.from_arrays(
                pa.array(values.ravel()), values.shape[1]
            )
    pq.write_table(pa.table(columns), path)


def select(name, *options, out="batch.csv"):
    command = ["select", "pool", "--column", "emb", "--ids", ":image_id", "-b", str(B)]
    return main([*command, "--strategy", name, "-o", out, *map(str, options)])


def chosen(path="batch.csv"):
    with open(path, newline="") as file:
        return [int(row["index"]) for row in csv.DictReader(file)]


def test_random():
    assert select("random", "--seed", 3) == 0
    assert chosen() == RandomSampling().query(Context(n=N, seed=3), B).tolist()
    with open("batch.csv", newline="") as file:
        first = next(csv.DictReader(file))
    assert list(first) == ["order", "index", "id"]
    assert first["id"] == IDS[chosen()[0]]


@pytest.mark.parametrize(
    ("name", "strategy"), [("entropy", EntropySampling()), ("margin", MarginSampling())]
)
@pytest.mark.parametrize("spec", ["p.npy", "p.parquet:p@image_id"])
def test_probabilities(name, strategy, spec, probabilities):
    assert select(name, "--probabilities", spec, "--chunk-rows", 7) == 0
    assert chosen() == strategy.query(Context(probabilities=probabilities), B).tolist()


def test_probabilities_of_the_pool_itself(rows, probabilities):
    write("one.parquet", emb=rows, p=probabilities)
    command = ["select", "one.parquet", "--column", "emb", "--strategy", "margin", "-b", str(B)]
    assert main([*command, "--probabilities", ":p", "-o", "batch.csv"]) == 0
    assert chosen() == MarginSampling().query(Context(probabilities=probabilities), B).tolist()


def test_core_set(rows, rng):
    np.save("labeled.npy", labeled := rng.normal(size=(5, D)).astype(np.float32))
    good = np.arange(N) != 7
    for options, points in (((), np.empty((0, D))), (("--labeled", "labeled.npy"), labeled)):
        skip = ("--on-bad-row", "skip", "--metric", "cosine", "--force")
        assert select("core-set", *options, *skip) == 0
        context = Context(embeddings=rows, labeled_embeddings=points, exclude=~good)
        assert chosen() == CoreSet(metric="cosine").query(context, B).tolist()


@pytest.mark.parametrize(("options", "k"), [((), None), (("-k", 5), 5)])
def test_cluster_margin(options, k, rows, probabilities):
    good = np.arange(N) != 7
    given = ("--probabilities", "p.npy", "--on-bad-row", "skip", "--metric", "cosine")
    assert select("cluster-margin", *options, *given, "--seed", 2) == 0
    context = Context(embeddings=rows, probabilities=probabilities, exclude=~good, seed=2)
    assert chosen() == ClusterMargin(k, metric="cosine").query(context, B).tolist()


@pytest.mark.parametrize(("options", "k"), [((), None), (("-k", 5), 5)])
def test_typical_start(options, k, rows):
    assert select("typical-start", *options, "--on-bad-row", "skip", "--seed", 2) == 0
    context = Context(embeddings=rows, exclude=np.arange(N) == 7, seed=2)
    assert chosen() == TypicalStart(k).query(context, B).tolist()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("name", ["max-herding", "uncertainty-herding", "ally-herding"])
def test_herding(name, metric, rows, probabilities, rng):
    np.save("labeled.npy", labeled := rng.normal(size=(5, D)).astype(np.float32))
    scores = rng.exponential(size=N)
    order = rng.permutation(N)
    pq.write_table(
        pa.table({"score": scores[order], "image_id": [IDS[i] for i in order]}), "scores.parquet"
    )
    make, options, pieces = {
        "max-herding": (MaxHerding, (), {}),
        "uncertainty-herding": (
            UncertaintyHerding,
            ("--probabilities", "p.npy"),
            {"probabilities": probabilities},
        ),
        "ally-herding": (
            ALLYHerding,
            ("--scores", "scores.parquet:score@image_id"),
            {"dual_scores": scores},
        ),
    }[name]
    given = {"embeddings": rows, "exclude": np.arange(N) == 7, **pieces}
    rest = ("--on-bad-row", "skip", "--metric", metric, "--chunk-rows", 11, "--force")
    for more, points in (((), np.empty((0, D))), (("--labeled", "labeled.npy"), labeled)):
        assert select(name, *options, *more, *rest) == 0
        context = Context(labeled_embeddings=points, **given)
        assert chosen() == make(metric=metric).query(context, B).tolist()


def test_gist(rows, rng):
    np.save("scores.npy", scores := rng.exponential(size=N))
    assert select("gist", "--scores", "scores.npy", "--on-bad-row", "skip") == 0
    context = Context(embeddings=rows, dual_scores=scores, exclude=np.arange(N) == 7)
    assert chosen() == GIST().query(context, B).tolist()


def test_exclusions():
    assert select("random", out="one.csv") == 0
    assert select("random", "--exclude", "one.csv", out="two.csv") == 0
    mask = np.isin(np.arange(N), chosen("one.csv"))
    assert chosen("two.csv") == RandomSampling().query(Context(n=N, exclude=mask), B).tolist()


def test_outputs(capsys):
    capsys.readouterr()
    options = ("--format", "label-studio", "--keep", "emb", "--json")
    assert select("random", *options, out="tasks.json") == 0
    tasks = json.loads(Path("tasks.json").read_text())
    assert list(tasks[0]["data"]) == ["image_id", "emb", "ally_order", "ally_index"]
    summary = json.loads(capsys.readouterr().out)
    assert (summary["strategy"], summary["rows"], summary["picks"]) == ("random", N, B)
    stages = summary["stage_seconds"]
    assert list(stages) == ["open", "random", "write", "total"]
    assert select("random", out="batch.npy") == 0
    text = capsys.readouterr().out
    assert "strategy    random" in text
    assert "k-means" not in text


def test_a_row_without_probabilities_may_be_excluded(probabilities):
    options = ("--probabilities", "few.parquet:p@image_id", "--exclude", "first.txt")
    assert select("margin", *options) == 0
    mask = np.isin(IDS, Path("first.txt").read_text().split())
    context = Context(probabilities=probabilities, exclude=mask)
    assert chosen() == MarginSampling().query(context, B).tolist()


MISTAKES = {
    "no scores": ("ally", ["-k", 3], "--scores: the strategy ally needs it"),
    "no k": ("ally", ["--scores", "p.npy"], "-k: the strategy ally needs it"),
    "no probabilities": ("margin", [], "--probabilities: the strategy margin needs it"),
    "unused": ("random", ["--radius", 1], "--radius: the strategy random does not use it"),
    "no probabilities in clusters": (
        "cluster-margin",
        [],
        "--probabilities: the strategy cluster-margin needs it",
    ),
    "unused at the start": (
        "typical-start",
        ["--probabilities", "p.npy"],
        "--probabilities: the strategy typical-start does not use it",
    ),
    "no scores to herd": ("ally-herding", [], "--scores: the strategy ally-herding needs it"),
    "scores that are not used": (
        "max-herding",
        ["--scores", "p.npy"],
        "--scores: the strategy max-herding does not use it",
    ),
    "unused by ally": (
        "ally",
        ["--probabilities", "p.npy", "--scores", "p.npy", "-k", 3],
        "--probabilities: the strategy ally does not use it",
    ),
    "unknown": ("best", [], "--strategy: invalid choice: 'best'"),
    "too many": ("random", ["--exclude", "all.txt"], "-b: got 12, "),
    "rows": ("margin", ["--probabilities", "pool/0.parquet:emb"], "holds 30 rows, needs 90"),
    "no such": ("margin", ["--probabilities", "q.npy"], "q.npy: no such file"),
    "no distribution": (
        "margin",
        ["--probabilities", "bad.npy"],
        "--probabilities bad.npy: 1 of rows 0 to 89 are not probabilities",
    ),
    "missing": (
        "margin",
        ["--probabilities", "few.parquet:p@image_id"],
        "--probabilities few.parquet:p@image_id: 1 of 90 rows have no value",
    ),
    "bad rows": ("core-set", [], "row"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes(case, capsys, folder):
    name, options, message = MISTAKES[case]
    Path("all.txt").write_text("\n".join(IDS[:85]) + "\n")
    before = {path.name for path in folder.iterdir()}
    try:
        status = select(name, *options)
    except SystemExit as end:
        status = end.code
    assert message in error_of(capsys, status)
    assert {path.name for path in folder.iterdir()} == before
