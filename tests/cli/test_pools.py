"""``ally-fast select`` on pools of shards, with ids: the job of a labeling round."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from cases import error_of

import ally_fast
from ally_fast.cli import main
from ally_fast.exports import EXTENSIONS

pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")

N, D, K, B = 90, 4, 5, 12


@pytest.fixture
def rows(rng):
    return rng.normal(size=(N, D)).astype(np.float16)


@pytest.fixture
def scores(rng):
    return rng.random(N)


@pytest.fixture(params=["texts", "integers"])
def ids(request, rng):
    numbers = rng.permutation(10 * N)[:N]
    return numbers if request.param == "integers" else np.array([f"image-{i}" for i in numbers])


@pytest.fixture
def pool(rows, ids, rng):
    """Write three Parquet shards with ids, and scores in another order."""
    write_shards("pool", rows, ids)
    order = rng.permutation(N)
    return order


@pytest.fixture
def duals(pool, ids, scores):
    pq.write_table(pa.table({"image_id": ids[pool], "score": scores[pool]}), "duals.parquet")


def write_shards(name, rows, ids, order=(0, 1, 2)):
    Path(name).mkdir()
    parts = np.array_split(np.arange(N), 3)
    for number, part in enumerate(order):
        chosen = parts[part]
        columns = {
            "emb": pa.FixedSizeListArray.from_arrays(pa.array(rows[chosen].ravel()), D),
            "image_id": ids[chosen],
            "uri": [f"s3://b/{i}" for i in chosen],
        }
        pq.write_table(pa.table(columns), f"{name}/part-{number}.parquet", row_group_size=11)


BY_ID = ("--ids", ":image_id", "--scores", "duals.parquet:score@image_id")


def select(*options, pool="pool", out="batch.csv"):
    sizes = ("-b", str(B), "-k", str(K))
    column = ("--column", "emb")
    return main(["select", pool, *column, *sizes, "-o", out, *map(str, options)])


def table(path="batch.csv"):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_scores_by_id_ids_and_kept_columns(duals, rows, scores, ids):
    assert select(*BY_ID, "--keep", "uri") == 0
    batch = ally_fast.select(rows, scores, B, K)
    assert [int(row["index"]) for row in table()] == batch.tolist()
    assert [row["id"] for row in table()] == [str(i) for i in ids[batch]]
    assert [row["uri"] for row in table()] == [f"s3://b/{i}" for i in batch]


def test_files_one_after_the_other(rows, scores):
    np.save("a.npy", rows[:50])
    np.save("b.npy", rows[50:])
    np.save("scores.npy", scores)
    options = ["-b", str(B), "-k", str(K), "--scores", "scores.npy", "-o", "batch.npy"]
    assert main(["select", "a.npy", "b.npy", *options]) == 0
    np.testing.assert_array_equal(np.load("batch.npy"), ally_fast.select(rows, scores, B, K))


@pytest.mark.parametrize("pattern", ["pool", "pool/", "pool/*.parquet", "pool/part-[0-2].parquet"])
def test_a_folder_and_patterns(pattern, duals, rows, scores):
    assert select(*BY_ID, pool=pattern) == 0
    batch = ally_fast.select(rows, scores, B, K)
    assert [int(row["index"]) for row in table()] == batch.tolist()


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_second_round_repeats_nothing(extension, duals, rows, ids):
    """Each of our outputs, also indices, excludes what it holds."""
    assert select(*BY_ID, out=f"one{extension}") == 0
    assert select(*BY_ID, out="one-again.csv") == 0
    assert select(*BY_ID, "--exclude", f"one{extension}", out="two.csv") == 0
    first, second = ({row["id"] for row in table(f"{name}.csv")} for name in ("one-again", "two"))
    assert len(first) == len(second) == B
    assert not first & second


@pytest.mark.parametrize("extension", [e for e in EXTENSIONS if e != ".npy"])
def test_a_second_round_over_reordered_shards_repeats_nothing(extension, duals, rows, ids):
    assert select(*BY_ID, out=f"one{extension}") == 0
    assert select(*BY_ID, out="one-again.csv") == 0
    write_shards("again", rows, ids, (2, 0, 1))
    assert select(*BY_ID, "--exclude", f"one{extension}", pool="again", out="two.csv") == 0
    first, second = ({row["id"] for row in table(f"{name}.csv")} for name in ("one-again", "two"))
    assert len(first) == len(second) == B
    assert not first & second


def test_indices_of_another_pool_are_refused(duals, rows, ids, capsys):
    """Of the same shards in another order, say; unless they have moved, or others came after."""
    assert select(*BY_ID, "--quiet", out="one.npy") == 0
    write_shards("again", rows, ids, (2, 0, 1))
    error = error_of(capsys, select(*BY_ID, "--exclude", "one.npy", pool="again", out="two.csv"))
    assert "--exclude one.npy: holds indices of another pool: shard 0 was part-0.parquet" in error
    Path("pool").rename("moved")
    assert select(*BY_ID, "--exclude", "one.npy", pool="moved", out="two.csv") == 0


def test_a_pool_may_grow(duals, rows, ids, scores):
    plain = ("--scores", "s.npy")
    np.save("s.npy", scores[:60])
    Path("pool/part-2.parquet").rename("later.parquet")
    assert select(*plain, out="one.npy") == 0
    Path("later.parquet").rename("pool/part-2.parquet")
    np.save("s.npy", scores)
    assert select(*plain, "--exclude", "one.npy", out="two.npy") == 0
    assert not set(np.load("one.npy").tolist()) & set(np.load("two.npy").tolist())


@pytest.mark.parametrize("extension", [".npy", ".csv", ".json", ".parquet"])
def test_without_ids_every_batch_knows_its_pool(extension, duals, rows, ids, scores, capsys):
    np.save("s.npy", scores)
    assert select("--scores", "s.npy", "--quiet", out=f"one{extension}") == 0
    write_shards("again", rows, ids, (1, 0, 2))
    options = ("--scores", "s.npy", "--exclude", f"one{extension}")
    error = error_of(capsys, select(*options, pool="again", out="two.csv"))
    assert "holds indices of another pool" in error


def test_a_sidecar_of_another_file_is_refused(duals, scores, capsys):
    np.save("s.npy", scores)
    assert select("--scores", "s.npy", "--quiet", out="one.npy") == 0
    np.save("one.npy", np.arange(5))
    error = error_of(capsys, select("--scores", "s.npy", "--exclude", "one.npy", out="two.csv"))
    assert "--exclude one.npy: is not the file that one.npy.json describes" in error


def test_lists_of_ids(duals, rows, scores, ids, tmp_path):
    """From a text file, a column of a CSV, JSON lines; an id may be there twice."""
    Path("labeled.txt").write_text("".join(f"{i}\n" for i in [*ids[:5], ids[0]]))
    lines = "".join(f"{i},x\n" for i in ids[5:10])
    Path("labeled.csv").write_text(f"image_id,by\n{lines}")
    Path("more.jsonl").write_text(
        "".join(json.dumps({"name": i}) + "\n" for i in ids[10:12].tolist())
    )
    excluded = ("labeled.txt", "labeled.csv", "more.jsonl:name")
    options = [part for name in excluded for part in ("--exclude", name)]
    assert select(*BY_ID, *options) == 0
    batch = ally_fast.select(rows, scores, B, K, exclude=np.arange(12))
    assert [int(row["index"]) for row in table()] == batch.tolist()


def test_excluded_by_index_beside_ids(duals, rows, scores):
    np.save("mask.npy", np.arange(N) < 7)
    assert select(*BY_ID, "--exclude-indices", "mask.npy") == 0
    batch = ally_fast.select(rows, scores, B, K, exclude=np.arange(7))
    assert [int(row["index"]) for row in table()] == batch.tolist()


def test_unknown_ids(duals, rows, scores, ids, capsys):
    name = 10**6 if ids.dtype.kind == "i" else "nobody"
    Path("labeled.txt").write_text(f"{ids[0]}\n{name}\n")
    error = error_of(capsys, select(*BY_ID, "--exclude", "labeled.txt"))
    assert "1 of 2 ids belong to no row, the first is" in error
    assert str(name) in error
    assert select(*BY_ID, "--exclude", "labeled.txt", "--unknown-ids", "ignore") == 0
    batch = ally_fast.select(rows, scores, B, K, exclude=[0])
    assert [int(row["index"]) for row in table()] == batch.tolist()


def test_scores_of_other_shards_by_position(duals, scores, rows):
    for number, part in enumerate(np.array_split(scores, 4)):
        np.save(f"score-{number}.npy", part)
    assert select("--scores", "score-*.npy") == 0
    assert [int(row["index"]) for row in table()] == ally_fast.select(rows, scores, B, K).tolist()


def test_what_goes_by_position_and_could_go_by_id_is_told(duals, scores, capsys):
    assert select("--scores", "duals.parquet:score", "--quiet") == 0
    assert capsys.readouterr().err == (
        "ally-fast: note: --scores duals.parquet:score is matched by position, but its files and "
        "the pool both have 'image_id': to match rows by it, use --ids :image_id and "
        "duals.parquet:score@image_id\n"
    )
    np.save("s.npy", scores)
    for options in (BY_ID, ("--scores", "s.npy")):
        assert select(*options, "--quiet", "--force") == 0
        assert capsys.readouterr().err == ""


def test_bad_rows_are_skipped(rows, ids, scores, capsys):
    rows[[3, 50]] = np.nan
    write_shards("pool", rows, ids)
    np.save("s.npy", scores)
    error = error_of(capsys, select("--scores", "s.npy", "--ids", ":image_id"))
    shown = repr(ids[3].item())
    assert "POOL pool/part-0.parquet: column 'emb': row 3 holds NaN or infinite" in error
    assert f"(id {shown})" in error
    assert select("--scores", "s.npy", "--on-bad-row", "skip") == 0
    assert "(88 eligible, 2 skipped)" in capsys.readouterr().out
    batch = ally_fast.select(rows, scores, B, K, exclude=[3, 50])
    assert [int(row["index"]) for row in table()] == batch.tolist()


MISTAKES = {
    "no pool": (
        ["select", "--scores", "s.npy", "-b", "1", "-k", "1", "-o", "x.csv"],
        "needs a pool",
    ),
    "folder": (["--scores", "nothing/:s"], "--scores .*no such file"),
    "column": (["--scores", "duals.parquet:sc"], "--scores duals.parquet: no column 'sc'; it has"),
    "own column": (["--scores", ":dual"], "--scores .*part-0.parquet: no column 'dual'; it has"),
    "own column by id": (["--scores", ":score@id"], "needs :COLUMN for a column of the pool"),
    "ids": (
        ["--scores", "duals.parquet:score@image_id"],
        "--scores .*: got ids, but the pool has none",
    ),
    "keep": ([*BY_ID, "--keep", "score"], "keep: the batch has its own column 'score'"),
    "keep what": ([*BY_ID, "--keep", "url"], "no column 'url'; it has 'uri', 'emb', 'image_id'"),
    "ids of what": (["--scores", "duals.parquet:score", "--ids", ":name"], "no column 'name'"),
    "ids are vectors": (
        ["--scores", "duals.parquet:score@image_id", "--ids", ":emb"],
        "must be integers or",
    ),
    "exclusion": ([*BY_ID, "--exclude", "x.csv:id"], "--exclude x.csv:id: no such file|x.csv: no"),
    "options": ([*BY_ID, "--storage-options", "x"], "not JSON, at line 1"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes(case, duals, folder, capsys):
    options, message = MISTAKES[case]
    before = {path.name for path in folder.iterdir()}
    try:
        status = main(options) if options[0] == "select" else select(*options)
    except SystemExit as end:
        status = end.code
    assert re.search(message, error_of(capsys, status))
    assert {path.name for path in folder.iterdir()} == before
