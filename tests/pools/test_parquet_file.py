"""Parquet files that are damaged, lie, or would fill the memory."""

import itertools
import re
import subprocess
import sys

import numpy as np
import pytest

from ally_fast.cli import main
from ally_fast.pools import ParquetPool, open_pool, read_column

pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")

N, D, GROUP = 61, 4, 20
VECTORS = {
    "list": lambda rows: pa.array(rows.tolist(), pa.list_(pa.float32())),
    "fixed-size list": lambda rows: pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), D),
}


@pytest.fixture
def rows(rng):
    return rng.normal(size=(N, D)).astype(np.float32)


def columns(rows, kind="list"):
    return {
        "row": VECTORS[kind](rows),
        "score": rows[:, 0].astype(np.float64),
        "mask": rows[:, 1] > 0,
        "index": np.arange(len(rows)),
    }


def write(path, table, **options):
    pq.write_table(pa.table(table), path, **{"compression": "none", **options})
    return path


def read_all(path):
    """Return every column, as this package reads it."""
    pool = open_pool(f"{path}:row")
    names = ("score", "mask", "index")
    return [pool.read(0, pool.n).array, *(read_column(f"{path}:{name}") for name in names)]


# Checksums


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("dictionary", [False, True])
@pytest.mark.parametrize("kind", VECTORS)
@pytest.mark.parametrize("name", ["row", "score", "mask", "index"])
def test_a_changed_byte_in_a_page_is_found_by_its_checksum(
    name, kind, dictionary, version, rows, tmp_path
):
    path = write(
        tmp_path / "p.parquet",
        columns(rows, kind),
        row_group_size=GROUP,
        use_dictionary=dictionary,
        data_page_version=version,
        write_page_checksum=True,
    )
    names = ["row", "score", "mask", "index"]
    chunk = pq.read_metadata(path).row_group(2).column(names.index(name))
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content = bytearray(path.read_bytes())
    content[start + chunk.total_compressed_size - 1] ^= 0x10
    path.write_bytes(content)
    whole = {"row": lambda: open_pool(f"{path}:row").read(0, N)}
    with pytest.raises(ValueError, match=rf"p\.parquet: column '{name}': row group 2: .*CRC"):
        whole.get(name, lambda: read_column(f"{path}:{name}"))()


def test_the_checksum_is_verified_by_gather_too(rows, tmp_path):
    path = write(tmp_path / "p.parquet", columns(rows), write_page_checksum=True)
    pool = ParquetPool(path, "row")
    chunk = pq.read_metadata(path).row_group(0).column(0)
    content = bytearray(path.read_bytes())
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content[start + chunk.total_compressed_size - 1] ^= 1
    path.write_bytes(content)
    for read in (lambda: pool.gather(np.array([3])), lambda: ParquetPool(path, "row")):
        with pytest.raises(ValueError, match=r"p\.parquet: column 'row': row group 0: .*CRC"):
            read()


# Damage


def test_any_byte_of_the_footer_may_be_wrong(rows, tmp_path):
    """No other error than a refusal that names the file, in one line."""
    path = write(tmp_path / "p.parquet", columns(rows), row_group_size=GROUP)
    content = path.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    messages = []
    for place, bit in zip(range(footer, len(content), 3), itertools.cycle(range(8)), strict=False):
        damaged = bytearray(content)
        damaged[place] ^= 1 << bit
        path.write_bytes(damaged)
        try:
            assert all(len(found) <= N for found in read_all(path))
        except (ValueError, TypeError, MemoryError) as error:
            messages.append(str(error).removeprefix(str(tmp_path)))
    assert len(messages) > 100
    for message in messages:
        assert re.fullmatch(r"/p\.parquet: [^\n]+", message)
        assert len(message) <= 300


@pytest.mark.parametrize("length", [0, 3, 11, 200, -1, -9, -200])
def test_a_file_cut_short(length, rows, tmp_path):
    path = write(tmp_path / "p.parquet", columns(rows))
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"p\.parquet: not a readable Parquet file: "):
        read_all(path)


def declare(path, given, declared):
    """Change a number of rows, wherever the footer holds it, and nothing else."""
    content = path.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    changed = content[footer:].replace(bytes([2 * given]), bytes([2 * declared]))
    path.write_bytes(content[:footer] + changed)


@pytest.mark.parametrize("declared", [N + 1, N + 2])
def test_more_rows_declared_than_held(declared, tmp_path):
    path = write(tmp_path / "p.parquet", {"score": np.ones(N)}, store_schema=False)
    declare(path, N, declared)
    assert pq.read_metadata(path).num_rows == declared
    message = rf"p\.parquet: column 'score': row group 0: (declares {declared} rows and holds|.+)"
    with pytest.raises(ValueError, match=message):
        read_column(path)


def test_row_groups_that_are_empty(tmp_path):
    """Rows that are declared, none of them there."""
    path = write(tmp_path / "p.parquet", {"score": np.zeros(0)}, store_schema=False)
    assert read_column(path).tolist() == []
    assert ParquetPool(write(tmp_path / "q.parquet", columns(np.zeros((0, D)))), "row").n == 0


def test_a_file_that_vanishes(rows, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"p\.parquet"):
        ParquetPool(tmp_path / "p.parquet", "row")


# Names


def test_two_columns_of_one_name(rows, tmp_path):
    names, table = ["row", "score", "score", "row", "x"], columns(rows)
    arrays = [table["row"], table["score"], table["index"], table["row"], table["score"]]
    path = tmp_path / "p.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array(a) for a in arrays], names), path)
    for read, name in ((read_column, "score"), (open_pool, "row")):
        with pytest.raises(ValueError, match=rf"p\.parquet: 2 columns are called '{name}'; rename"):
            read(f"{path}:{name}")
    np.testing.assert_array_equal(read_column(f"{path}:x"), table["score"])


def test_a_name_with_a_dot_is_no_part_of_another_column(rows, tmp_path):
    table = columns(rows)
    nested = pa.array([{"x": 1.0, "list": [1.0]}] * N)
    fields = {"row.list": table["score"], "row": table["row"], "a": nested, "a.x": table["score"]}
    path = write(tmp_path / "p.parquet", fields)
    np.testing.assert_array_equal(open_pool(f"{path}:row").read(0, N).array, rows)
    for name in ("row.list", "a.x"):
        np.testing.assert_array_equal(read_column(f"{path}:{name}"), table["score"])


def test_a_wide_file_lists_ten_names(rows, tmp_path):
    table = {f"a_rather_long_name_of_a_feature_{i}": np.zeros(N) for i in range(1000)}
    path = write(tmp_path / "p.parquet", table)
    for read in (read_column, open_pool):
        with pytest.raises(ValueError, match=r"no column .*, \.\.\. and 99\d more") as error:
            read(f"{path}:a_rather_long_name_of_a_feature_777x")
        assert "feature_777'" in str(error.value)
        assert len(str(error.value).removeprefix(str(tmp_path))) <= 300


def test_rows_of_texts_that_were_views(tmp_path):
    texts = pa.array(["a", None, "c"], pa.string_view())
    path = write(tmp_path / "p.parquet", {"row": [[1.0]] * 3, "t": texts, "s": texts})
    column = open_pool(f"{path}:row").column("t")
    assert column.take(np.array([1, 2])).to_pylist() == [None, "c"]


# Sizes

_MEASURED = """
import pyarrow.parquet
from ally_fast.pools import open_pool, read_column
try:
    {code}
except ValueError as error:
    print(error)
print(pyarrow.default_memory_pool().max_memory() >> 20)
"""


def said_and_taken(code):
    """Run code in a process of its own; return what it printed, and Arrow's peak in MiB."""
    program = _MEASURED.format(code=code)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *said, taken = done.stdout.splitlines()
    return "\n".join(said), int(taken)


def test_scores_of_another_number_are_refused_before_they_are_read(tmp_path, monkeypatch, capsys):
    path = tmp_path / "bomb.parquet"
    part = pa.table({"score": np.zeros(1 << 20)})
    with pq.ParquetWriter(path, part.schema, compression="zstd") as writer:
        for _ in range(20):
            writer.write_table(part)
    assert path.stat().st_size < 100_000
    for limit, needed in (("n=200", "200"), ("most=200", "at most 200")):
        said, taken = said_and_taken(f"read_column({str(path)!r}, {limit})")
        assert said.endswith(f"column 'score': holds {20 << 20} rows, needs {needed}")
        assert taken == 0
    monkeypatch.chdir(tmp_path)
    np.save("pool.npy", np.ones((200, 2)))
    np.save("scores.npy", np.ones(200))
    for name in ("scores", "exclude", "allocation"):
        given = {"scores": "scores.npy", "embeddings": "pool.npy", name: "bomb.parquet:score"}
        options = [f"--{key}={value}" for key, value in given.items()]
        assert main(["select", *options, "-b", "1", "-k", "1", "-o", "b.npy"]) == 2
        assert re.search(r"bomb\.parquet: .*needs", capsys.readouterr().err)


def test_a_pool_is_read_in_bounded_memory(tmp_path):
    path = tmp_path / "p.parquet"
    rows = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(1 << 25, np.float32)), 8)
    pq.write_table(pa.table({"row": rows, "score": np.zeros(len(rows))}), path)
    code = f"pool = open_pool('{path}:row'); chunks = range(0, 1 << 22, 1 << 12); "
    code += "print(sum(pool.read(lo, lo + (1 << 12)).array.sum() for lo in chunks))"
    said, taken = said_and_taken(code)
    assert said == "0.0"
    assert taken < 32


def test_sampling_takes_bounded_memory(tmp_path):
    path = tmp_path / "p.parquet"
    rows = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(1 << 25, np.float32)), 8)
    pq.write_table(pa.table({"row": rows}), path)
    code = f"import numpy; pool = open_pool('{path}:row'); rows = numpy.arange(0, 1 << 22, 64); "
    code += "print(sum(pool.gather(some).array.sum() for some in numpy.split(rows, 64)))"
    said, taken = said_and_taken(code)
    assert said == "0.0"
    assert taken < 32


def test_a_row_group_of_giant_lists_is_refused_before_they_are_decoded(tmp_path):
    path = tmp_path / "p.parquet"
    lengths = np.full(200, 8)
    lengths[150] = 24 << 20
    values = pa.array(np.zeros(lengths.sum(), np.float32))
    offsets = pa.array(np.cumsum([0, *lengths]), pa.int32())
    pq.write_table(pa.table({"row": pa.ListArray.from_arrays(offsets, values)}), path)
    del values
    assert path.stat().st_size < 1_000_000
    said, taken = said_and_taken(f"open_pool('{path}:row').read(0, 200)")
    assert re.search(r"column 'row': row group 0: declares \d+ values for 200 rows of 8$", said)
    assert taken < 32


def test_a_row_group_of_giant_bytes_is_refused_before_they_are_decoded(tmp_path):
    path = tmp_path / "p.parquet"
    values = [bytes(32)] * 199 + [bytes(96 << 20)]
    table = pa.table({"row": pa.array(values, pa.binary())})
    options = {"write_batch_size": 10, "data_page_size": 100, "write_statistics": False}
    pq.write_table(table, path, compression="zstd", use_dictionary=False, **options)
    del table, values
    assert path.stat().st_size < 1_000_000
    said, taken = said_and_taken(f"open_pool('{path}:row[float32]').read(0, 200)")
    assert re.search(r"column 'row': row group 0: declares \d+ values for 200 rows of 32$", said)
    assert taken < 32


@pytest.mark.parametrize("width", [131_073, 2**31 - 1])
def test_rows_wider_than_any_pool_are_refused(width, tmp_path):
    path = tmp_path / "p.parquet"
    nothing = pa.array([None] * 0, pa.list_(pa.float32(), width))
    pq.write_table(pa.table({"row": nothing}), path)
    with pytest.raises(ValueError, match=rf"column 'row' holds {width} values in a row, needs at"):
        ParquetPool(path, "row")
