"""Every format holds every value, or refuses it by name."""

import csv
import io
import json
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest

import ally_fast
from ally_fast.exports import FORMATS, KeptColumn, Wanted, batch_table, choose_format
from ally_fast.exports.label_studio import labeled_ids
from ally_fast.exports.plain import plain_values
from ally_fast.pools import open_column, open_pool
from ally_fast.pools.taken import as_values, taken_as_stored

pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")

IDS = ["a", 'quote"d', "com,ma", "new\nline", "return\r", " space ", "β-漢字-🎈", "-1"]
N = len(IDS)
NAN = float("nan")

# name: (values, type, what JSON holds)
KEPT = {
    "text": (["x", None, "", "a,b", 'q"', "l\n", "漢", " s "], pa.string(), None),
    "whole": ([1, None, -(2**63), 2**63 - 1, 0, 5, 6, 7], pa.int64(), None),
    "narrow": ([1, None, 2, 3, 4, 5, 6, 7], pa.uint8(), None),
    "real": ([0.1, None, 1e300, -0.0, 5e-324, 1 / 3, 2.0, 1.5], pa.float64(), None),
    "single": ([np.float32(0.1), None] + [2] * 6, pa.float32(), [0.10000000149011612]),
    "truth": ([True, None, False, True, True, True, True, True], pa.bool_(), None),
    "money": ([Decimal("1.10"), None] + [Decimal("2.00")] * 6, pa.decimal128(20, 2), ["1.10"]),
    "bytes": ([b"\x00\xff", None] + [b""] * 6, pa.binary(), ["AP8=", None, ""]),
    "day": ([date(2026, 1, 31), None] + [date(1, 1, 1)] * 6, pa.date32(), ["2026-01-31", None]),
    "clock": ([time(1, 2, 3, 4), None] + [time(0)] * 6, pa.time64("us"), ["01:02:03.000004", None]),
    "when": (
        [datetime(2026, 1, 31, 12, 30), None] + [datetime(1970, 1, 1)] * 6,
        pa.timestamp("us"),
        ["2026-01-31T12:30:00.000000", None],
    ),
    "zone": (
        [datetime(2026, 1, 31, 12, tzinfo=timezone.utc), None] + [0] * 6,
        pa.timestamp("ms", "UTC"),
        ["2026-01-31T12:00:00.000Z", None],
    ),
    "nano": ([1, None] + [0] * 6, pa.timestamp("ns"), ["1970-01-01T00:00:00.000000001", None]),
    "took": ([timedelta(seconds=90, milliseconds=5), None] + [timedelta(0)] * 6, pa.duration("ms"),
             ["PT90.005S", None, "PT0S"]),
    "list": ([[1, None], None] + [[]] * 6, pa.list_(pa.int32()), [[1, None], None, []]),
    "alike": ([[1, 2]] * 8, pa.list_(pa.int32(), 2), [[1, 2]] * 8),
    "days": ([[date(2026, 1, 31)], None] + [[]] * 6, pa.list_(pa.date32()), [["2026-01-31"], None]),
    "struct": (
        [{"a": 1, "b": b"\x01"}, None] + [{"a": None, "b": None}] * 6,
        pa.struct([("a", pa.int8()), ("b", pa.binary())]),
        [{"a": 1, "b": "AQ=="}, None, {"a": None, "b": None}],
    ),
    "map": (
        [[("k", 1)], None] + [[]] * 6,
        pa.map_(pa.string(), pa.int32()),
        [[{"key": "k", "value": 1}], None, []],
    ),
    "class": (["cat", None] + ["dog"] * 6, pa.dictionary(pa.int8(), pa.string()), ["cat", None]),
    "nothing": ([None] * 8, pa.null(), [None] * 8),
}  # fmt: skip


class Info:
    """What a selection says of its picks."""

    ids = np.array(IDS, object)
    scores = np.linspace(0.1, 0.8, N)
    clusters = np.arange(N, dtype=np.int32)
    ranks = np.zeros(N, np.int64)
    groups = ("cat",) * N
    costs = np.full(N, 0.1)


INDICES = np.arange(N)[::-1].copy()


def arrow_of(name):
    values, kind, _ = KEPT[name]
    return pa.array(values, kind)


def expected(name):
    """Return what JSON holds of the first values."""
    values, _, told = KEPT[name]
    return values if told is None else told


def written(form, kept=None, info=Info, wanted=None, summary=None):
    file = io.BytesIO()
    form = FORMATS[form]
    kept = kept or {}
    wanted = wanted or Wanted(form.extensions[0], tuple(kept), "image_id")
    form.check(wanted)
    form.write(file, batch_table(INDICES, info, kept=kept), wanted, summary or {})
    return file.getvalue()


@pytest.mark.parametrize("name", KEPT)
def test_values_of_every_type_in_json(name):
    read = [json.loads(line) for line in written("jsonl", {name: arrow_of(name)}).splitlines()]
    told = expected(name)
    assert [row[name] for row in read][: len(told)] == told
    assert [type(row[name]) for row in read][: len(told)] == list(map(type, told))
    assert [row["id"] for row in read] == IDS
    assert [row["score"] for row in read] == Info.scores.tolist()
    assert [row["index"] for row in read] == INDICES.tolist()
    assert {row["group"] for row in read} == {"cat"}
    assert [row["cost"] for row in read] == [0.1] * N


@pytest.mark.parametrize("name", KEPT)
def test_values_of_every_type_in_parquet(name):
    column = arrow_of(name)
    table = pq.read_table(io.BytesIO(written("parquet", {name: column})))
    assert (
        table[name].combine_chunks().equals(column) or table[name].to_pylist() == column.to_pylist()
    )
    assert table.schema.field(name).type == column.type
    assert table["id"].to_pylist() == IDS
    assert table.column_names[:2] == ["order", "index"]


@pytest.mark.parametrize("name", KEPT)
def test_values_of_every_type_in_csv(name):
    text = written("csv", {name: arrow_of(name)}).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    for row, value in zip(rows, expected(name), strict=False):
        if isinstance(value, list | dict):
            assert json.loads(row[name]) == value
        else:
            assert row[name] == ("" if value is None else str(value))
    assert [row["id"] for row in rows] == IDS
    assert [float(row["score"]) for row in rows] == Info.scores.tolist()


def test_csv_reads_back_as_it_was(tmp_path):
    path = tmp_path / "batch.csv"
    path.write_bytes(written("csv"))
    column = open_column(f"{path}:id")
    assert [value for part in column.parts() for value in part.to_pylist()] == IDS


def test_nan_is_null_in_json_and_infinity_is_refused():
    kept = {"real": pa.array([NAN] * N), "reals": pa.array([[NAN, 1.0]] * N)}
    first = json.loads(written("jsonl", kept).splitlines()[0])
    assert (first["real"], first["reals"]) == (None, [None, 1.0])
    for form in ("jsonl", "json", "label-studio", "fiftyone"):
        with pytest.raises(ValueError, match="column 'far' holds inf, which JSON cannot hold"):
            written(form, {"far": pa.array([np.inf] * N)})
    assert b"inf" in written("csv", {"far": pa.array([np.inf] * N)})


def test_a_time_without_a_date_is_refused_by_name():
    far = pa.array([10**12] * N, pa.timestamp("s"))
    with pytest.raises(ValueError, match=r"column 'far': a time of 10+ s since 1970 has no date"):
        written("csv", {"far": far})
    table = pq.read_table(io.BytesIO(written("parquet", {"far": far})))
    assert table["far"].cast(pa.int64())[0].as_py() in (10**12, 10**15)


def test_an_extension_type_is_its_storage():
    tensor = pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(pa.float32(), [2]), pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2))
    )
    assert plain_values(tensor, "t") == [[1.0, 2.0]]


@pytest.mark.parametrize("bad", ["", "a\nb", "a\rb", "\ufeffa", "a\0"])
def test_an_id_that_does_not_read_back_from_a_line_is_refused(bad):
    class Bad(Info):
        ids = np.array([bad] * N, object)

    with pytest.raises(ValueError, match="an id does not fit on one line"):
        written("ids", info=Bad)


def test_json_of_our_own():
    read = json.loads(written("json", {"uri": arrow_of("text")}, summary={"rows": 3}))
    assert read["indices"] == INDICES.tolist()
    assert (read["id"], read["info"]) == (IDS, {"rows": 3})


def test_a_selection_without_clusters():
    class Plain:
        ids = np.array(IDS, object)

    rows = [json.loads(line) for line in written("jsonl", info=Plain).splitlines()]
    assert list(rows[0]) == ["order", "index", "id"]


# Tools


def test_label_studio():
    content = json.loads(written("label-studio", {"uri": arrow_of("list")}))
    assert [task["data"]["image_id"] for task in content] == IDS
    assert content[0] == {
        "data": {
            "image_id": "a",
            "uri": [1, None],
            "ally_order": 0,
            "ally_index": 7,
            "ally_score": 0.1,
            "ally_cluster": 0,
            "ally_rank": 0,
            "ally_group": "cat",
            "ally_cost": 0.1,
        }
    }


def test_fiftyone():
    content = json.loads(written("fiftyone"))
    assert content["image_id"] == IDS
    assert content["ally_score"] == Info.scores.tolist()


def test_prodigy():
    kept = {"uri": pa.array([f"{i}.png" for i in range(N)]), "split": pa.array(["a"] * N)}
    wanted = Wanted(".jsonl", ("uri", "split"), "image_id", "image=uri")
    lines = [json.loads(line) for line in written("prodigy", kept, wanted=wanted).splitlines()]
    assert [line["image"] for line in lines] == [f"{i}.png" for i in range(N)]
    assert list(lines[0]) == ["image", "meta"]
    assert lines[1]["meta"]["image_id"] == IDS[1]
    assert lines[1]["meta"]["split"] == "a"
    assert "uri" not in lines[1]["meta"]


PATHS = [f"cats/{i}.x.jpg" for i in range(N - 1)] + ["no_extension"]


def images():
    return {"uri": pa.array(PATHS), "width": pa.array([7] * N), "height": pa.array([5] * N)}


def test_cvat_manifest():
    wanted = Wanted(".jsonl", ("uri", "width", "height"), None, "uri")
    lines = written("cvat", images(), wanted=wanted).decode().splitlines()
    assert lines[:2] == ['{"version":"1.1"}', '{"type":"images"}']
    assert json.loads(lines[2]) == {
        "name": "cats/0.x",
        "extension": ".jpg",
        "width": 7,
        "height": 5,
    }
    assert [one["name"] + one["extension"] for one in map(json.loads, lines[2:])] == PATHS


def test_cvat_files():
    wanted = Wanted(".txt", ("uri",))
    assert written("cvat", {"uri": pa.array(PATHS)}, wanted=wanted).decode().splitlines() == PATHS


MISTAKES = {
    "own name": ("csv", ("score",), "x", None, "keep: the batch has its own column 'score'"),
    "group": ("parquet", ("group",), "x", None, "keep: the batch has its own column 'group'"),
    "info": ("json", ("info",), "x", None, "keep: the batch has its own column 'info'"),
    "task name": ("label-studio", ("ally_score",), "x", None, "has its own column 'ally_score'"),
    "the ids": ("label-studio", ("x",), "x", None, "keep: 'x' is the id column"),
    "no ids": ("label-studio", (), None, None, "ids: got none; the format label-studio needs them"),
    "no ids, fiftyone": ("fiftyone", (), None, None, "ids: got none; the format fiftyone needs"),
    "not for it": ("csv", ("a",), "x", "a", "data_column: only the formats cvat and prodigy"),
    "which column": ("prodigy", ("a", "b"), "x", None, "got none; the format prodigy needs"),
    "not kept": ("prodigy", ("a", "b"), "x", "text=c", "data_column: 'c' is not among"),
    "of what kind": ("prodigy", ("a",), "x", "a", "'a' does not say what it holds; needs KEY=a"),
    "no sizes": ("cvat", ("uri",), "x", "uri", "got no width, height, but a CVAT manifest needs"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_what_cannot_be_written_is_refused_before(case):
    form, keep, id_name, column, message = MISTAKES[case]
    form = FORMATS[form]
    with pytest.raises(ValueError, match=message):
        form.check(Wanted(form.extensions[0], keep, id_name, column))


def test_types_that_are_declared_are_checked_before():
    interval = Wanted(".parquet", ("x",), kinds={"x": pa.month_day_nano_interval()})
    with pytest.raises(ValueError, match="keep: column 'x' cannot be written"):
        FORMATS["parquet"].check(interval)
    number = Wanted(".jsonl", ("text",), kinds={"text": pa.int64()})
    with pytest.raises(ValueError, match="data_column: 'text' must hold texts; it holds int64"):
        FORMATS["prodigy"].check(number)


@pytest.mark.parametrize("bad", [None, "", 3])
def test_a_pick_without_its_text_is_refused(bad):
    kept = {"text": pa.array([bad] * N)}
    with pytest.raises(ValueError, match=r"data_column: 'text' holds .* for pick 0, needs a text"):
        written("prodigy", kept)


@pytest.mark.parametrize("bad", [None, 0, -1, 2.5, True])
def test_an_image_without_its_size_is_refused(bad):
    kept = {**images(), "height": pa.array([bad] * N)}
    wanted = Wanted(".jsonl", ("uri", "width", "height"), None, "uri")
    with pytest.raises(ValueError, match=r"keep: column 'height' holds .* for pick 0"):
        written("cvat", kept, wanted=wanted)


def test_choice():
    assert choose_format("a.JSON").name == "json"
    assert choose_format("a.json", "label-studio").name == "label-studio"
    with pytest.raises(OSError, match=r"the extension must be one of \.csv, \.npy"):
        choose_format("a.xls")
    with pytest.raises(ValueError, match="format"):
        choose_format("a.csv", "excel")


# Labels that come back


def task(name, *cancelled):
    return {
        "id": 7,
        "data": {"image_id": name},
        "annotations": [{"result": [], "was_cancelled": one} for one in cancelled],
    }


def test_labeled_tasks():
    content = [task("a", False), task("b"), task("c", True), task("d", True, False)]
    assert labeled_ids(content, ["image_id"]) == ["a", "d"]
    assert labeled_ids([task("b"), task("c", True)], ["image_id"]) == []
    assert labeled_ids([{"data": {"image_id": 3}}], ["image_id", "id"]) == [3]
    assert labeled_ids([], ["id"]) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([3], "item 0 is not a Label Studio task"),
        (
            [{"id": 3, "image_id": "a"}],
            "item 0 is not a Label Studio task: it has no object 'data'",
        ),
        ([{"data": {"x": 1}}], "task 0: 'data': no key 'image_id'; it has 'x'"),
        ([{"data": {}, "annotations": 3}], "task 0: 'annotations' must be a list"),
    ],
)
def test_tasks_that_are_none(content, message):
    with pytest.raises(ValueError, match=message):
        labeled_ids(content, ["image_id"])


# Columns to keep


@pytest.mark.parametrize("name", KEPT)
def test_a_kept_column_of_any_type_is_taken(name):
    column = arrow_of(name)
    array = as_values(column)
    assert array.shape == (N,)


def test_lists_of_one_length_stay_values():
    array = as_values(pa.array([[1, 2], [3, 4]]))
    assert array.tolist() == [[1, 2], [3, 4]]
    assert array.shape == (2,)


def test_nanoseconds_stay():
    assert as_values(arrow_of("nano"))[0] == np.datetime64(1, "ns")
    assert as_values(pa.array([10**12], pa.timestamp("s"))).shape == (1,)


def test_a_column_is_read_once(tmp_path, rng):
    rows, texts = rng.normal(size=(50, 3)), [f"t{i}" for i in range(50)]
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), 3)
    pq.write_table(pa.table({"emb": vectors, "uri": texts}), tmp_path / "p.parquet")
    pool = open_pool(tmp_path / "p.parquet", column="emb", keep=["uri"])
    column, reads = pool.keep["uri"], []
    take = column.take
    column.take = lambda indices: reads.append(1) or take(indices)
    pool.keep["uri"] = KeptColumn(column)
    batch, info = ally_fast.select(pool, rng.random(50), 10, 2, return_info=True)
    stored = taken_as_stored(pool.keep["uri"], batch)
    assert stored.to_pylist() == info.kept["uri"].tolist() == [texts[i] for i in batch]
    assert len(reads) == 1
