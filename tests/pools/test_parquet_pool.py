"""Rows of a Parquet column, streamed, against the same rows in memory."""

import copy
import itertools
import multiprocessing
import pickle
import re
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

from ally_fast import select
from ally_fast.cli import main
from ally_fast.cluster import training
from ally_fast.pools import ParquetPool, Pool, open_pool, parquet_pool
from ally_fast.pools.parquet_file import ParquetFile
from ally_fast.vector_column import VectorColumn

pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")

N, D = 100, 3


@pytest.fixture(params=[1, 7, 40, N], ids="row_group={}".format)
def row_group(request):
    return request.param


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Decode about five rows at a time, so that row groups hold several blocks."""
    monkeypatch.setattr(parquet_pool, "_BATCH_BYTES", 5 * D * 4)


def write(path, values, kind, row_group=N):
    table = pa.table({"id": range(len(values)), "row": pa.array(list(values), kind)})
    pq.write_table(table, path, row_group_size=row_group)
    return path


def write_array(path, array, kind=None, row_group=N):
    flat = pa.array(array.ravel())
    rows = pa.FixedSizeListArray.from_arrays(flat, array.shape[1])
    pq.write_table(
        pa.table({"row": rows if kind is None else rows.cast(kind)}), path, row_group_size=row_group
    )
    return path


@pytest.fixture
def array(rng):
    return rng.normal(size=(N, D)).astype(np.float32)


@pytest.mark.parametrize("chunk", [1, 7, 33, N], ids="chunk={}".format)
def test_a_pass_in_order(chunk, array, row_group, tmp_path):
    pool = ParquetPool(write_array(tmp_path / "p.parquet", array, row_group=row_group), "row")
    assert isinstance(pool, Pool)
    assert (pool.n, pool.d, pool.dtype_name, pool.itemsize) == (N, D, "float32", 4)
    parts = [pool.read(lo, min(lo + chunk, N)).array for lo in range(0, N, chunk)]
    np.testing.assert_array_equal(np.concatenate(parts), array)


def test_reads_in_any_order(array, row_group, tmp_path, rng):
    pool = ParquetPool(write_array(tmp_path / "p.parquet", array, row_group=row_group), "row")
    for lo, hi in np.sort(rng.integers(0, N + 1, (40, 2)), axis=1).tolist():
        np.testing.assert_array_equal(pool.read(lo, hi).array, array[lo:hi])
        indices = np.sort(rng.integers(0, N, hi - lo))
        np.testing.assert_array_equal(pool.gather(indices).array, array[indices])


@pytest.mark.parametrize("kind", ["list_", "large_list"])
def test_lists_of_equal_length(kind, array, row_group, tmp_path):
    path = write(tmp_path / "p.parquet", array, getattr(pa, kind)(pa.float32()), row_group)
    np.testing.assert_array_equal(ParquetPool(path, "row").read(0, N).array, array)


def test_gather_decodes_only_the_row_groups_it_needs(array, tmp_path, monkeypatch):
    pool = ParquetPool(write_array(tmp_path / "p.parquet", array, row_group=10), "row")
    asked = []
    decode = ParquetFile.batches

    def batches(self, column, group, *rest):
        asked.append(group)
        return decode(self, column, group, *rest)

    monkeypatch.setattr(ParquetFile, "batches", batches)
    np.testing.assert_array_equal(pool.gather(np.array([23, 29, 71])).array, array[[23, 29, 71]])
    assert asked == [2, 7]


# A pass decodes each row once


@pytest.fixture
def decoded(monkeypatch):
    """Return a list that grows by the number of rows of each block that is decoded."""
    counts = []
    decode = ParquetFile.batches

    def batches(*args):
        for part in decode(*args):
            counts.append(len(part))
            yield part

    monkeypatch.setattr(ParquetFile, "batches", batches)
    return counts


@pytest.mark.parametrize("step", [1, 3, 10, 64])
def test_a_pass_decodes_each_row_once(step, array, row_group, tmp_path, rng, decoded):
    pool = ParquetPool(write_array(tmp_path / "p.parquet", array, row_group=row_group), "row")
    for indices in (np.arange(N), np.sort(rng.choice(N, 55, replace=False))):
        decoded.clear()
        for lo in range(0, len(indices), step):
            some = indices[lo : lo + step]
            np.testing.assert_array_equal(pool.gather(some).array, array[some])
        assert sum(decoded) <= N
    for _ in range(2):
        decoded.clear()
        for lo in range(0, N, step):
            pool.read(lo, min(lo + step, N))
        assert sum(decoded) <= N


def test_read_and_gather_continue_each_other(array, row_group, tmp_path, decoded):
    pool = ParquetPool(write_array(tmp_path / "p.parquet", array, row_group=row_group), "row")
    np.testing.assert_array_equal(pool.read(0, 33).array, array[:33])
    np.testing.assert_array_equal(pool.gather(np.array([33, 33, 50])).array, array[[33, 33, 50]])
    np.testing.assert_array_equal(pool.read(51, N).array, array[51:])
    assert sum(decoded) <= N


@pytest.mark.parametrize("size", [20, 60, N])
def test_sampling_decodes_each_row_once(size, array, row_group, tmp_path, decoded, monkeypatch):
    monkeypatch.setattr(training, "_GATHER_BYTES", 7 * D * 4)
    draw = training.Draw(size, seed=0)
    expected = training.training_rows(open_pool(array), draw)
    pool = ParquetPool(write_array(tmp_path / "p.parquet", array, row_group=row_group), "row")
    np.testing.assert_array_equal(training.training_rows(pool, draw), expected)
    assert sum(decoded) <= N


def test_blocks_without_wanted_rows_do_not_become_matrices(array, tmp_path, monkeypatch):
    pool = ParquetPool(write_array(tmp_path / "p.parquet", array), "row")
    made = []
    convert = VectorColumn.to_matrix
    monkeypatch.setattr(
        VectorColumn, "to_matrix", lambda self, rows: made.append(len(rows)) or convert(self, rows)
    )
    pool.gather(np.array([7, 8, 51]))
    assert sum(made) == 10  # two blocks of five rows
    pool.gather(np.array([52, 93]))
    assert sum(made) == 15


@pytest.mark.parametrize("readers", [2, 8])
def test_readers_of_ranges_do_not_disturb_each_other(readers, array, row_group, tmp_path, decoded):
    """Each decodes what lies before its range in the row group, once or twice."""
    pool = ParquetPool(write_array(tmp_path / "p.parquet", array, row_group=row_group), "row")
    bounds = np.linspace(0, N, readers + 1).astype(int).tolist()
    for step in range(N):
        for lo, hi in itertools.pairwise(bounds):
            if lo + step < hi:
                row = lo + step
                np.testing.assert_array_equal(pool.read(row, row + 1).array, array[row : row + 1])
    assert sum(decoded) <= 2 * readers * N


def test_threads_read_ranges_of_one_pool(array, row_group, tmp_path):
    pool = ParquetPool(write_array(tmp_path / "p.parquet", array, row_group=row_group), "row")
    bounds = np.linspace(0, N, 13).astype(int).tolist()

    def rows(lo, hi):
        return np.concatenate([pool.read(row, row + 1).array for row in range(lo, hi)])

    for workers in (4, 12):  # more than there are cursors as well
        with ThreadPoolExecutor(workers) as threads:
            parts = threads.map(rows, bounds[:-1], bounds[1:])
            np.testing.assert_array_equal(np.concatenate(list(parts)), array)


# Rows that hold no vector

BAD_ROWS = {
    "null": (lambda row: None, r"row {} is null"),
    "null value": (lambda row: [1.0, None, 2.0], r"row {} holds a null"),
    "not a number": (lambda row: [1.0, float("nan"), 2.0], r"row {} holds NaN or infinite values"),
    "short": (lambda row: row[:2], r"row {} has 2 values, needs 3 like the other rows"),
    "long": (lambda row: [*row, 1.0, 1.0], r"row {} has 5 values, needs 3 like the other rows"),
    "empty": (lambda row: [], r"row {} has 0 values, needs 3 like the other rows"),
}
KINDS = {
    "list": lambda element: pa.list_(element),
    "large list": lambda element: pa.large_list(element),
    "fixed-size list": lambda element: pa.list_(element, D),
}
OLD = int(pa.__version__.partition(".")[0]) < 26
FITTING = [
    pytest.param(
        kind,
        case,
        marks=pytest.mark.skipif(
            OLD and (kind, case) == ("fixed-size list", "null"),
            reason="pyarrow below 26 cannot decode it",
        ),
    )
    for kind in KINDS
    for case in BAD_ROWS
    if kind != "fixed-size list" or case not in ("short", "long", "empty")
]


def spoiled(array, case, places):
    values = array.tolist()
    for place in places:
        values[place] = BAD_ROWS[case][0](values[place])
    return values


@pytest.mark.parametrize("places", [(61, 63, 99), (0, 1, 61), (0,)], ids=str)
@pytest.mark.parametrize(("kind", "case"), FITTING)
def test_a_bad_row_reads_as_nan_and_is_named(kind, case, places, array, row_group, tmp_path):
    values = spoiled(array, case, places)
    path = write(tmp_path / "p.parquet", values, KINDS[kind](pa.float32()), row_group)
    pool = ParquetPool(path, "row")
    assert (pool.d, pool.dtype_name) == (D, "float32")
    good = np.isin(np.arange(N), places, invert=True)
    for rows in (pool.read(0, N).array, pool.gather(np.arange(N)).array):
        assert rows.dtype == np.float32
        np.testing.assert_array_equal(rows[good], array[good])
        assert np.isnan(rows[~good]).any(axis=1).all()
    for place in places:
        message = rf"p\.parquet: column 'row': {BAD_ROWS[case][1].format(place)}"
        assert re.search(message, pool.fault(place))


@pytest.mark.parametrize("options", [{}, {"radius": 0.5}, {"metric": "cosine"}], ids=str)
@pytest.mark.parametrize(("kind", "case"), FITTING)
def test_bad_rows_harm_only_where_they_are_not_excluded(kind, case, options, array, tmp_path, rng):
    scores, places = rng.normal(size=N), [0, 1, 30, 99]
    values = spoiled(array, case, places)
    pool = ParquetPool(write(tmp_path / "p.parquet", values, KINDS[kind](pa.float32()), 40), "row")
    batch = select(pool, scores, 20, 5, exclude=places, **options)
    np.testing.assert_array_equal(batch, select(array, scores, 20, 5, exclude=places, **options))
    message = rf"p\.parquet: column 'row': {BAD_ROWS[case][1].format(30)}; 2 of 100 rows hold no"
    with pytest.raises(ValueError, match=message):
        select(pool, scores, 20, 5, exclude=places[:2], **options)
    np.testing.assert_array_equal(select(pool, scores, 20, 5, exclude=places, **options), batch)


@pytest.mark.skipif(not OLD, reason="pyarrow 26 decodes it")
def test_a_null_row_of_a_fixed_size_list_is_refused_by_old_pyarrow(array, tmp_path):
    values = spoiled(array, "null", [30])
    try:
        path = write(tmp_path / "p.parquet", values, pa.list_(pa.float32(), D))
    except NotImplementedError:
        pytest.skip("nor can it be written")
    with pytest.raises(ValueError, match=r"p\.parquet: column 'row': row group 0: Expected all"):
        ParquetPool(path, "row").read(0, N)


@pytest.mark.parametrize(
    ("dtype", "read"), [("float16", "float16"), ("int8", "float32"), ("int64", "float64")]
)
def test_bad_rows_of_other_element_types(dtype, read, array, tmp_path):
    array = (10 * array).astype(dtype)
    values = [None, *array[1:60].tolist(), None, [1, None, 2], *array[62:].tolist()]
    element = pa.from_numpy_dtype(np.dtype(dtype))
    values = [None if row is None else pa.scalar(row, pa.list_(element)) for row in values]
    pool = ParquetPool(write(tmp_path / "p.parquet", values, pa.list_(element), 40), "row")
    assert pool.dtype_name == dtype
    rows = pool.read(0, N).array
    assert rows.dtype == read
    good = np.isin(np.arange(N), [0, 60, 61], invert=True)
    np.testing.assert_array_equal(rows[good], array[good])
    assert np.isnan(rows[~good]).any(axis=1).all()


def test_rows_that_are_all_null(tmp_path):
    path = write(tmp_path / "p.parquet", [None] * 5, pa.list_(pa.float32()))
    with pytest.raises(ValueError, match=r"embeddings: got shape \(5, 0\), needs 1 to"):
        select(ParquetPool(path), np.ones(5), 1, 1)


def test_labeled_rows_that_hold_no_vector_are_named(array, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("pool.npy", array)
    np.save("scores.npy", np.arange(N))
    write("l.parquet", spoiled(array, "short", [7]), pa.list_(pa.float32()))
    given = "--embeddings pool.npy --scores scores.npy --labeled l.parquet:row --radius 1"
    assert main(["select", *given.split(), "-b", "5", "-k", "2", "-o", "b.npy"]) == 2
    assert "l.parquet: column 'row': row 7 has 2 values" in capsys.readouterr().err


# Copies


def same_rows(pool, array):
    return np.array_equal(pool.read(3, 50).array, array[3:50])


@pytest.mark.parametrize("travel", [lambda pool: pickle.loads(pickle.dumps(pool)), copy.deepcopy])
def test_a_copy_opens_the_file_again(travel, array, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pool = ParquetPool(write_array("p.parquet", array, row_group=40), "row")
    pool.read(0, 45)
    twin = travel(pool)
    monkeypatch.chdir("/")
    assert same_rows(twin, array)
    assert (twin.n, twin.d, twin.dtype_name) == (pool.n, pool.d, pool.dtype_name)
    np.testing.assert_array_equal(pool.read(45, N).array, array[45:])


def test_a_pool_travels_to_a_spawned_process(array, tmp_path):
    pool = ParquetPool(write_array(tmp_path / "p.parquet", array, row_group=40), "row")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        read = process.submit(ParquetPool.read, pool, 3, 50).result()
    np.testing.assert_array_equal(read.array, array[3:50])


@pytest.mark.parametrize("column", ["id", "text"])
def test_the_column_holds_something_else(column, tmp_path):
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({"id": [1, 2], "text": [["a"], ["b"]]}), path)
    with pytest.raises(TypeError, match=rf"column '{column}' must hold lists of numbers"):
        ParquetPool(path, column)


def test_not_a_parquet_file(tmp_path):
    (tmp_path / "p.parquet").write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"p\.parquet: not a readable Parquet file"):
        open_pool(tmp_path / "p.parquet")
