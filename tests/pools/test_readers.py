"""What every reader of vectors promises, over every way to store the same rows."""

import copy
import os
import pickle
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from reader_forms import FORMS, arrow_table, is_bfloat16

from ally_fast import select
from ally_fast.pools import Pool, ShardedPool, open_pool, parquet_pool, sliced_pool
from ally_fast.pools.pool import as_float

N, D = 60, 3
SIZES = (23, 0, 1, 36)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Decode about five rows at a time, so that every file holds several blocks."""
    monkeypatch.setattr(parquet_pool, "_BATCH_BYTES", 5 * D * 4)
    monkeypatch.setattr(sliced_pool, "_BLOCK_BYTES", 14 * D * 4)
    monkeypatch.setattr(sliced_pool, "_PIECE_BYTES", 5 * D * 4)


def where(test):
    """Return a mark for the forms of which something holds."""
    return pytest.mark.parametrize("form", [name for name in FORMS if test(FORMS[name])])


every_form = where(lambda form: True)


@pytest.fixture
def array(rng):
    return rng.normal(size=(N, D)).astype(np.float32)


def written(form, path, array, columns=None):
    """Write rows, and return what `open_pool` takes."""
    path = path.with_suffix(FORMS[form].extension)
    FORMS[form].write(path, array, columns or {})
    return FORMS[form].source(path)


def shards_of(form, folder, arrays):
    """Write shards, the third called part-2 and the fourth part-10, and return a pool of them."""
    names = ("part-0", "part-1", "part-2", "part-10")
    for name, rows in zip(names, arrays, strict=True):
        written(form, folder / name, rows)
    key = FORMS[form].prefix + FORMS[form].key if FORMS[form].key else None
    return open_pool(folder, column=key)


def in_parts(array):
    return np.split(array, np.cumsum(SIZES)[:-1])


def check_rows(pool, array, rng):
    """Compare every way to read with the rows themselves."""
    for lo in range(len(array) + 1):
        for hi in {lo, min(lo + 1, len(array)), min(lo + 9, len(array)), len(array)}:
            np.testing.assert_array_equal(pool.read(lo, hi).array, array[lo:hi])
    for chunk in (1, 7, 10, len(array)):
        parts = [
            pool.read(lo, min(lo + chunk, len(array))).array for lo in range(0, len(array), chunk)
        ]
        np.testing.assert_array_equal(np.concatenate(parts), array)
    for size in (0, 1, 3, len(array) // 2, len(array)):
        indices = np.sort(rng.choice(len(array), size, replace=False))
        np.testing.assert_array_equal(pool.gather(indices).array, array[indices])
    pool.check()


# The same rows


@every_form
def test_one_file(form, array, tmp_path, rng):
    pool = open_pool(written(form, tmp_path / "pool", array))
    assert isinstance(pool, Pool)
    assert (pool.n, pool.d, pool.dtype_name, pool.itemsize) == (N, D, "float32", 4)
    check_rows(pool, array, rng)


@every_form
def test_a_key_is_left_out_where_one_array_fits(form, array, tmp_path):
    written(form, tmp_path / "pool", array)
    pool = open_pool(tmp_path / f"pool{FORMS[form].extension}")
    np.testing.assert_array_equal(pool.read(0, N).array, array)


@every_form
def test_shards_of_a_folder_one_of_them_empty(form, array, tmp_path, rng):
    pool = shards_of(form, tmp_path, in_parts(array))
    assert isinstance(pool, ShardedPool)
    assert (pool.n, pool.d, pool.dtype_name) == (N, D, "float32")
    check_rows(pool, array, rng)


@every_form
def test_all_shards_empty(form, array, tmp_path):
    pool = shards_of(form, tmp_path, [array[:0]] * 4)
    assert pool.n == 0
    assert len(pool.read(0, 0).array) == 0
    assert len(pool.gather(np.empty(0, np.int64)).array) == 0


@pytest.mark.parametrize(
    ("form", "dtype"), [(form, dtype) for form in FORMS for dtype in FORMS[form].dtypes]
)
def test_element_types(form, dtype, array, tmp_path):
    array = 10 * array
    if dtype == "bfloat16":
        array = array.astype(pytest.importorskip("ml_dtypes", reason="needs ml_dtypes").bfloat16)
    else:
        array = array.astype(dtype)
    pool = open_pool(written(form, tmp_path / "pool", array))
    assert (pool.dtype_name, pool.itemsize) == (dtype, array.dtype.itemsize)
    for rows in (pool.read(0, N), pool.gather(np.arange(N))):
        assert rows.bf16 == is_bfloat16(array)
        np.testing.assert_array_equal(as_float(rows), array.astype(as_float(rows).dtype))
    read = {"int8": "float32", "int64": "float64", "bfloat16": "uint16"}.get(dtype, dtype)
    assert pool.read(0, N).array.dtype == read


def test_a_table_in_memory(array, rng):
    pool = open_pool(arrow_table(array, {"id": np.arange(N)}))
    assert (pool.n, pool.d, pool.dtype_name) == (N, D, "float32")
    check_rows(pool, array, rng)


@every_form
def test_selection_is_that_of_the_array(form, array, tmp_path, rng):
    scores = rng.normal(size=N)
    pool = shards_of(form, tmp_path, in_parts(array))
    for options in ({}, {"radius": 0.5}, {"metric": "cosine", "chunk_rows": 8}):
        wanted = select(array, scores, 20, 5, **options)
        np.testing.assert_array_equal(select(pool, scores, 20, 5, **options), wanted)


@where(lambda form: form.holds_columns)
def test_columns_beside_the_vectors(form, array, tmp_path, rng):
    whole, real = rng.integers(-9, 9, N), rng.normal(size=N)
    columns = {"whole": whole, "real": real}
    if FORMS[form].holds_texts:
        columns["text"] = np.array([f"é{number}" for number in range(N)])
    prefix = FORMS[form].prefix
    names = ("part-0", "part-1", "part-2", "part-10")
    bounds = np.cumsum([0, *SIZES])
    for name, lo, hi in zip(names, bounds, bounds[1:], strict=False):
        part = {key: values[lo:hi] for key, values in columns.items()}
        written(form, tmp_path / name, array[lo:hi], part)
    pool = open_pool(tmp_path, column=prefix + FORMS[form].key)
    for key, values in columns.items():
        column = pool.column(prefix + key)
        read = [value for part in column.parts() for value in part.to_pylist()]
        assert read == values.tolist()
        for indices in ([], [0], [5, 5, 22, 23, 24, 59], range(N)):
            indices = np.array(indices, np.int64)
            assert column.take(indices).to_pylist() == values[indices].tolist()
    numbers = pool.column(f"{prefix}whole").numbers(n=N)
    assert numbers.dtype == np.int64
    np.testing.assert_array_equal(numbers, whole)
    np.testing.assert_array_equal(pool.column(f"{prefix}real").numbers(), real)
    with pytest.raises(ValueError, match="holds"):
        pool.column(f"{prefix}real").numbers(n=N + 1)
    with pytest.raises(ValueError, match="holds"):
        pool.column(f"{prefix}real").numbers(most=N - 1)
    if "text" in columns:
        with pytest.raises((TypeError, ValueError), match=r"part-0.* numbers"):
            pool.column(f"{prefix}text").numbers()
    with pytest.raises(ValueError, match=r"part-0.*no .* 'absent'; it has .*'.*whole'"):
        pool.column("absent").numbers()


@where(
    lambda form: form.extension not in (".npy", ".parquet", ".arrow", ".feather", ".ipc", ".lance")
)
def test_a_column_of_more_or_fewer_rows_than_its_shard_is_refused(form, array, tmp_path):
    """Two that are wrong by as much, in opposite ways, would shift the rows between them."""
    for name, rows in (("a-0", N + 1), ("a-1", N - 1)):
        written(form, tmp_path / name, array, {"whole": np.arange(rows)})
    prefix = FORMS[form].prefix
    pool = open_pool(tmp_path, column=prefix + FORMS[form].key)
    column = pool.column(f"{prefix}whole")
    for read in (column.numbers, lambda: list(column.parts()), lambda: column.take(np.arange(3))):
        with pytest.raises(ValueError, match=r"a-0\..*: holds 61 rows, needs 60"):
            read()


@where(lambda form: form.key is not None)
def test_a_missing_key_lists_those_there_are(form, array, tmp_path):
    source = written(form, tmp_path / "pool", array)
    with pytest.raises(ValueError, match=r"pool\..*no (key|column) 'embb'; it has '.*emb'"):
        open_pool(source.removesuffix(FORMS[form].prefix + FORMS[form].key) + "embb")


# Rows that hold no vector


def bad_rows(form):
    if FORMS[form].holds_ragged:
        return {4: None, 30: [1.0, 2.0], 31: [1.0] * 9, 59: [1.0, None, 2.0], 8: [1.0, np.nan, 2.0]}
    if FORMS[form].holds_nulls:
        return {4: None, 59: [1.0, None, 2.0], 8: [1.0, np.nan, 2.0]}
    return {4: [np.nan] * 3, 59: [np.inf, 1.0, 2.0], 8: [1.0, np.nan, 2.0]}


def spoiled(form, array):
    bad = bad_rows(form)
    rows = [bad.get(number, row) for number, row in enumerate(array.tolist())]
    return rows if FORMS[form].holds_nulls else np.array(rows, np.float32)


@every_form
def test_a_bad_row_is_named_with_its_file(form, array, tmp_path):
    bad, rows = bad_rows(form), spoiled(form, array)
    written(form, tmp_path / "part-0", array)
    written(form, tmp_path / "part-1", rows)
    key = FORMS[form].prefix + FORMS[form].key if FORMS[form].key else None
    pool = open_pool(tmp_path, column=key)
    good = np.isin(np.arange(N), list(bad), invert=True)
    for read in (pool.read(N, 2 * N).array, pool.gather(np.arange(N, 2 * N)).array):
        np.testing.assert_array_equal(read[good], array[good])
        assert not np.isfinite(read[~good]).all(axis=1).any()
    for row in bad:
        assert re.search(rf"part-1\..*row {row} (is|has|holds)", pool.fault(N + row))


@every_form
def test_excluded_rows_may_be_anything(form, array, tmp_path, rng):
    bad, scores = list(bad_rows(form)), rng.normal(size=N)
    pool = open_pool(written(form, tmp_path / "pool", spoiled(form, array)))
    for options in ({}, {"radius": 0.5}, {"metric": "cosine"}):
        wanted = select(array, scores, 20, 5, exclude=bad, **options)
        picked = select(pool, scores, 20, 5, exclude=bad, **options)
        np.testing.assert_array_equal(picked, wanted)
    with pytest.raises(ValueError, match=r"1 of 60 rows hold .*row 8|row 8 .*1 of 60 rows"):
        select(pool, scores, 20, 5, exclude=[row for row in bad if row != 8])


# Files that differ, are damaged, or change


@every_form
@pytest.mark.parametrize("case", ["width", "dtype"])
def test_shards_that_differ(form, case, array, tmp_path):
    written(form, tmp_path / "a-0", array)
    other = np.zeros((2, D + 1), np.float32) if case == "width" else array.astype(np.float64)
    written(form, tmp_path / "a-1", other)
    needed = {
        "width": r"a-1\..*: holds vectors of 4 values, needs 3 as in .*a-0\.",
        "dtype": r"a-1\..*: holds float64, needs float32 as in .*a-0\.",
    }
    key = FORMS[form].prefix + FORMS[form].key if FORMS[form].key else None
    with pytest.raises(ValueError, match=needed[case]):
        open_pool(tmp_path, column=key)


def files_of(path):
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def some_files_of(path):
    """Return a file, or of a folder what describes its array, and two of its chunks."""
    files = files_of(path)
    if len(files) == 1:
        return files
    described = [
        file for file in files if file.name in (".zarray", "zarr.json") or file.match("*.manifest")
    ]
    chunks = [
        file for file in files if file.name.replace(".", "").isdigit() or file.parent.name == "data"
    ]
    return [*described, chunks[0], chunks[-1]]


def refusal(source):
    """Return why a file is not read, None if it is."""
    try:
        pool = open_pool(source)
        pool.read(0, pool.n)
        pool.gather(np.arange(0, pool.n, 3))
    except (ValueError, TypeError, OSError, MemoryError) as error:
        return str(error)
    return None


@every_form
def test_a_file_cut_anywhere_is_refused_by_name(form, array, tmp_path):
    source = written(form, tmp_path / "pool", array)
    path = tmp_path / f"pool{FORMS[form].extension}"
    for file in some_files_of(path):
        content = file.read_bytes()
        lengths = sorted({*range(0, len(content), max(1, len(content) // 40)), len(content) - 1})
        for length in lengths:
            file.write_bytes(content[:length])
            message = refusal(source)
            if message is None:  # what was cut off says nothing
                np.testing.assert_array_equal(open_pool(source).read(0, N).array, array)
                continue
            assert "pool" in message
            assert len(message.replace(str(tmp_path), "")) <= 300
            assert "\n" not in message
        file.write_bytes(content)
    np.testing.assert_array_equal(open_pool(source).read(0, N).array, array)


@every_form
def test_noise_is_refused_or_read_but_ends_no_process(form, array, tmp_path, rng):
    source = written(form, tmp_path / "pool", array)
    for file in some_files_of(tmp_path / f"pool{FORMS[form].extension}"):
        content = bytearray(file.read_bytes())
        for _ in range(60):
            damaged = content.copy()
            place, size = int(rng.integers(len(content))), int(rng.integers(1, 9))
            damaged[place : place + size] = bytes(rng.integers(256, size=size, dtype=np.uint8))
            file.write_bytes(damaged)
            message = refusal(source)
            assert message is None or "pool" in message
        file.write_bytes(content)


@where(lambda form: form.extension in (".npz", ".parquet", ".hdf5"))
def test_a_checksum_finds_a_flipped_bit(form, array, tmp_path):
    source = written(form, tmp_path / "pool", array)
    path = tmp_path / f"pool{FORMS[form].extension}"
    content = path.read_bytes()
    found = 0
    for place in range(0, len(content), 5):
        path.write_bytes(content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :])
        if refusal(source) is None:
            np.testing.assert_array_equal(open_pool(source).read(0, N).array, array)
        else:
            found += 1
    assert found


@every_form
def test_a_shard_that_changes_between_two_passes_is_named(form, array, tmp_path):
    pool = shards_of(form, tmp_path, in_parts(array))
    pool.read(0, N)
    pool.check()
    path = tmp_path / f"part-2{FORMS[form].extension}"
    before = [file.stat().st_mtime_ns for file in files_of(path)]
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    written(form, tmp_path / "part-2", np.zeros((1, D), np.float32))
    for file in files_of(path):
        os.utime(file, ns=(time.time_ns(), max(before) + 10_000_000))

    def another_pass():
        pool.read(0, N)
        pool.check()

    with pytest.raises(ValueError, match=r"part-2\..*: the file changed while it was read"):
        another_pass()


@every_form
@pytest.mark.parametrize("travel", [lambda pool: pickle.loads(pickle.dumps(pool)), copy.deepcopy])
def test_a_copy_opens_the_files_again(form, travel, array, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p").mkdir()
    pool = shards_of(form, Path("p"), in_parts(array))
    assert [shard.name for shard in pool.shards][2:] == [
        f"p/{name}{FORMS[form].extension}" for name in ("part-2", "part-10")
    ]
    pool.read(0, 30)
    twin = travel(pool)
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(twin.read(0, N).array, array)
    np.testing.assert_array_equal(pool.read(30, N).array, array[30:])


@every_form
def test_the_fingerprint_is_that_of_the_content(form, array, tmp_path):
    for name, rows in (("a", array), ("b", array), ("c", array[::-1])):
        (tmp_path / name).mkdir()
        written(form, tmp_path / name / "pool", rows)
    path = f"pool{FORMS[form].extension}"
    digests = [open_pool(tmp_path / name / path).fingerprint() for name in "abc"]
    if FORMS[form].extension not in (".npz", ".zarr", ".lance"):  # which hold the time
        assert digests[0] == digests[1]
    assert digests[0] != digests[2]


# LAION


@pytest.fixture
def laion(array, tmp_path):
    """Return a folder as clip-retrieval writes it, in which shard 10 is the last."""
    for folder in ("img_emb", "text_emb", "metadata"):
        (tmp_path / folder).mkdir()
    bounds = np.cumsum([0, *SIZES])
    for number, lo, hi in zip((0, 1, 2, 10), bounds, bounds[1:], strict=False):
        np.save(tmp_path / f"img_emb/img_emb_{number}.npy", array[lo:hi])
        np.save(tmp_path / f"text_emb/text_emb_{number}.npy", -array[lo:hi])
        columns = {"key": [f"k{row}" for row in range(lo, hi)]}
        path = tmp_path / f"metadata/metadata_{number:03}.parquet"
        arrow = pytest.importorskip("pyarrow", reason="needs pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
        parquet.write_table(arrow.table(columns, arrow.schema([("key", "string")])), path)
    return tmp_path


def test_laion_vectors_with_the_columns_of_their_rows(laion, array, rng):
    for name, rows in (("img_emb", array), ("text_emb", -array)):
        pool = open_pool(laion, column=name, ids="key", keep=["key"])
        check_rows(pool, rows, rng)
        assert pool.ids.take(np.array([0, 22, 23, 59])).to_pylist() == ["k0", "k22", "k23", "k59"]
    assert open_pool(f"{laion}:text_emb").read(0, 1).array.tolist() == [(-array[0]).tolist()]


def test_laion_needs_a_choice_where_there_are_two(laion):
    for column in (None, "key"):
        with pytest.raises(ValueError, match=r"it has 'img_emb', 'text_emb'"):
            open_pool(laion, column=column)


def test_laion_with_one_kind_needs_none(laion, array):
    shutil.rmtree(laion / "text_emb")
    np.testing.assert_array_equal(open_pool(laion).read(0, N).array, array)


def test_laion_pickles(laion, array):
    pool = pickle.loads(pickle.dumps(open_pool(laion, column="img_emb")))
    np.testing.assert_array_equal(pool.read(0, N).array, array)


def test_laion_embeddings_alone_need_a_choice_as_well(laion, array):
    shutil.rmtree(laion / "metadata")
    with pytest.raises(ValueError, match=r"it has 'img_emb', 'text_emb'"):
        open_pool(laion)
    np.testing.assert_array_equal(open_pool(laion, column="img_emb").read(0, N).array, array)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda folder: (folder / "metadata/metadata_002.parquet").unlink(),
            r"img_emb_2\.npy: .*metadata has no file with number 2",
        ),
        (
            lambda folder: (folder / "img_emb/img_emb_10.npy").unlink(),
            r"metadata_010\.parquet: .*img_emb has no file with number 10",
        ),
        (
            lambda folder: np.save(folder / "img_emb/img_emb_0.npy", np.zeros((3, D))),
            r"img_emb_0\.npy: holds 3 vectors, but .*metadata_000\.parquet holds 23 rows; needs as",
        ),
        (
            lambda folder: np.save(folder / "img_emb/img_emb_02.npy", np.zeros((3, D))),
            r"img_emb_0?2\.npy: has the same number as .*img_emb_0?2\.npy",
        ),
        (
            lambda folder: np.save(folder / "img_emb/all.npy", np.zeros((3, D))),
            r"all\.npy: needs a number in its name",
        ),
    ],
    ids=["no metadata", "no vectors", "rows", "twice", "no number"],
)
def test_laion_files_that_do_not_pair(spoil, message, laion):
    spoil(laion)
    with pytest.raises(ValueError, match=message):
        open_pool(laion, column="img_emb")
