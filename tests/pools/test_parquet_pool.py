"""Rows of a Parquet column, streamed, against the same rows in memory."""

import numpy as np
import pytest

from ally_fast.pools import ParquetPool, Pool, open_pool, parquet_pool

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


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int64"])
def test_element_types(dtype, rng, tmp_path):
    array = (10 * rng.normal(size=(N, D))).astype(dtype)
    pool = ParquetPool(write_array(tmp_path / "p.parquet", array), "row")
    assert pool.dtype_name == dtype
    rows = pool.read(0, N).array
    assert rows.dtype == {"int8": "float32", "int64": "float64"}.get(dtype, dtype)
    np.testing.assert_array_equal(rows, array)


@pytest.mark.parametrize("kind", ["list_", "large_list"])
def test_lists_of_equal_length(kind, array, row_group, tmp_path):
    path = write(tmp_path / "p.parquet", array, getattr(pa, kind)(pa.float32()), row_group)
    np.testing.assert_array_equal(ParquetPool(path, "row").read(0, N).array, array)


def test_gather_decodes_only_the_row_groups_it_needs(array, tmp_path):
    pool = ParquetPool(write_array(tmp_path / "p.parquet", array, row_group=10), "row")
    asked = []
    decode = pool._file.iter_batches

    def iter_batches(*arguments, row_groups, **options):
        asked.extend(row_groups)
        return decode(*arguments, row_groups=row_groups, **options)

    class File:
        pass

    pool._file = File()
    pool._file.iter_batches = iter_batches
    np.testing.assert_array_equal(pool.gather(np.array([23, 29, 71])).array, array[[23, 29, 71]])
    assert asked == [2, 7]


BAD_ROWS = {
    "ragged": (lambda row: row[:2], r"row 61 has 2 values, row 0 has 3"),
    "null": (lambda row: None, r"row 61 is null"),
    "null value": (lambda row: [1.0, None, 2.0], r"row 61 holds a null"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_row_is_named(case, array, row_group, tmp_path):
    spoil, message = BAD_ROWS[case]
    values = array.tolist()
    for place in (61, 63, 99):
        values[place] = spoil(values[place])
    kind = pa.list_(pa.float32())
    pool = ParquetPool(write(tmp_path / "p.parquet", values, kind, row_group), "row")
    for _ in range(2):  # an error leaves the pool as it was
        with pytest.raises(ValueError, match=message):
            pool.read(0, N)
        np.testing.assert_array_equal(pool.read(0, 55).array, array[:55])
    with pytest.raises(ValueError, match=message):
        pool.gather(np.arange(N))


@pytest.mark.parametrize("value", [None, [1.0, None, 3.0]], ids=["row", "value"])
def test_a_null_of_a_fixed_size_list_is_named(value, array, tmp_path):
    values = [*array[:9].tolist(), value]
    path = write(tmp_path / "p.parquet", values, pa.list_(pa.float32(), D))
    with pytest.raises(ValueError, match=r"'row': row 9 .*null"):
        ParquetPool(path, "row").read(0, 10)


def test_no_rows(tmp_path):
    path = write_array(tmp_path / "p.parquet", np.zeros((0, D), np.float32))
    pool = ParquetPool(path, "row")
    assert pool.n == 0
    assert pool.read(0, 0).array.shape == (0, D)


def test_the_only_column_of_lists_needs_no_name(array, tmp_path):
    path = write(tmp_path / "p.parquet", array, pa.list_(pa.float32()))
    assert open_pool(path).d == D


def test_the_column_is_missing(array, tmp_path):
    path = write(tmp_path / "p.parquet", array, pa.list_(pa.float32()))
    with pytest.raises(ValueError, match=r"no column 'emb'; it has 'id', 'row'"):
        open_pool(f"{path}:emb")


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
