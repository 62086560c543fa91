"""Tables in memory as pools, whoever made them."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

from ally_fast import select
from ally_fast.arrays import as_array
from ally_fast.pools import open_pool
from ally_fast.pools.frame import is_table
from ally_fast.pools.open_pool import as_pool

pa = pytest.importorskip("pyarrow", reason="needs pyarrow")

N, D = 90, 4
OUT = [3, 40]


@pytest.fixture
def rows(rng):
    return rng.normal(size=(N, D)).astype(np.float32)


@pytest.fixture
def lists(rows):
    return [None if i in OUT else row for i, row in enumerate(rows)]


def arrow_table(lists):
    return pa.table({"id": range(N), "emb": pa.array(lists, pa.list_(pa.float32()))})


def pandas_frame(lists):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"id": range(N), "emb": lists, "picture": [object()] * N})
    return frame.set_axis(np.arange(N)[::-1] / 2)  # the index plays no part


def pandas_lists(lists):
    return pandas_frame([None if row is None else row.tolist() for row in lists])


def pandas_arrow(lists):
    pandas = pytest.importorskip("pandas")
    kind = pandas.ArrowDtype(pa.list_(pa.float32()))
    emb = pandas.Series(pandas.array([None if r is None else r.tolist() for r in lists], kind))
    return pandas.DataFrame({"id": range(N), "emb": emb})


def polars_frame(lists, kind=None):
    polars = pytest.importorskip("polars")
    kind = kind or polars.List(polars.Float32)
    emb = polars.Series([None if row is None else row.tolist() for row in lists], dtype=kind)
    return polars.DataFrame({"id": range(N), "emb": emb})


def polars_array(lists):
    polars = pytest.importorskip("polars")
    return polars_frame(lists, polars.Array(polars.Float32, D))


def duckdb_relation(lists):
    duckdb = pytest.importorskip("duckdb")
    return duckdb.connect().from_arrow(arrow_table(lists))


def dataset(lists):
    return pytest.importorskip("datasets").Dataset(arrow_table(lists))


TABLES = {
    "pyarrow table": arrow_table,
    "pyarrow batch": lambda lists: arrow_table(lists).to_batches()[0],
    "pandas arrays": pandas_frame,
    "pandas lists": pandas_lists,
    "pandas Arrow": pandas_arrow,
    "polars lists": polars_frame,
    "polars arrays": polars_array,
    "duckdb": duckdb_relation,
    "datasets": dataset,
}
WIDE = {"pandas lists"}  # lists of Python's numbers are float64
tables = pytest.mark.parametrize("kind", TABLES)


@tables
def test_the_batch_is_that_of_the_array(kind, rows, lists, rng):
    table, scores = TABLES[kind](lists), rng.normal(size=N)
    assert is_table(table)
    dtype = np.float64 if kind in WIDE else np.float32
    expected = select(rows.astype(dtype), scores, 20, 5, exclude=OUT)
    for pool in (table, open_pool(table), open_pool(table, column="emb", ids="id")):
        np.testing.assert_array_equal(select(pool, scores, 20, 5, exclude=OUT), expected)
    with pytest.raises(ValueError, match="table: column 'emb': row 3 is null; 2 of 90 rows hold"):
        select(table, scores, 20, 5)


@tables
def test_bare_columns_are_arrays(kind, rows, lists, rng):
    table, scores = TABLES[kind](lists), rng.normal(size=N)
    if kind in ("duckdb", "datasets"):
        table = arrow_table(lists)  # their columns are no arrays
    column = table["emb"]
    assert not is_table(column)
    dtype = np.float64 if kind in WIDE else np.float32
    expected = rows.astype(dtype)
    expected[OUT] = np.nan
    np.testing.assert_array_equal(as_array(column, "rows", ndim=2).array, expected, strict=True)
    pool = as_pool(column)
    np.testing.assert_array_equal(pool.read(0, N).array, expected, strict=True)
    assert pool.fault(40) == "embeddings: row 40 is null"
    np.testing.assert_array_equal(
        select(column, scores, 20, 5, exclude=OUT),
        select(rows.astype(dtype), scores, 20, 5, exclude=OUT),
    )


@tables
def test_columns_beside_the_vectors(kind, lists):
    pool = open_pool(TABLES[kind](lists))
    column = pool.column("id")
    np.testing.assert_array_equal(column.numbers(), np.arange(N))
    assert [value for part in column.parts() for value in part.to_pylist()] == list(range(N))
    assert column.take(np.array([5, 80])).to_pylist() == [5, 80]
    with pytest.raises(ValueError, match="table: no column 'idd'; it has 'id', 'emb'"):
        pool.column("idd")


@tables
def test_a_fingerprint_tells_other_rows(kind, lists, rows):
    table = TABLES[kind](lists)
    mark = open_pool(table).fingerprint()
    assert open_pool(TABLES[kind](lists)).fingerprint() == mark
    assert open_pool(TABLES[kind]([*rows[:-1], rows[0]])).fingerprint() != mark


@pytest.mark.parametrize("kind", ["pyarrow table", "pandas arrays", "polars lists", "datasets"])
def test_a_pool_of_a_table_travels(kind, lists, rows):
    pool = open_pool(TABLES[kind](lists))
    twin = pickle.loads(pickle.dumps(pool.column("id")))
    assert twin.take(np.array([7])).to_pylist() == [7]
    for one in (pool, as_pool(arrow_table(lists)["emb"])):
        twin = pickle.loads(pickle.dumps(one))
        np.testing.assert_array_equal(twin.read(4, 40).array, rows[4:40])


def test_rows_are_a_view_where_they_can_be(rows):
    flat = pa.array(rows.ravel())
    fixed = pa.FixedSizeListArray.from_arrays(flat, D)
    offsets = pa.array(range(0, N * D + 1, D), pa.int32())
    for column in (fixed, pa.ListArray.from_arrays(offsets, flat)):
        for pool in (open_pool(pa.table({"emb": column})), as_pool(column)):
            assert np.shares_memory(pool.read(5, 50).array, flat.to_numpy())


# Numbers


def test_a_frame_of_numbers_is_an_array_as_ever(rows, rng):
    scores = rng.normal(size=N)
    expected = select(rows, scores, 20, 5)
    names = [f"x{i}" for i in range(D)]
    frames = [pa.table(list(rows.T), names=names)]
    for module in ("pandas", "polars"):
        frames.append(pytest.importorskip(module).DataFrame(dict(zip(names, rows.T, strict=True))))
    for frame in frames:
        np.testing.assert_array_equal(select(frame, scores, 20, 5), expected)
        np.testing.assert_array_equal(select(open_pool(frame, column="*"), scores, 20, 5), expected)
        with pytest.raises(ValueError, match=r"table: name its column .* 'x0', 'x1'"):
            open_pool(frame)


@pytest.mark.parametrize("module", ["pandas", "polars"])
def test_a_frame_of_numbers_needs_no_arrow(module, rows, rng, monkeypatch):
    frame = pytest.importorskip(module).DataFrame({f"x{i}": rows[:, i] for i in range(D)})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    scores = rng.normal(size=N)
    np.testing.assert_array_equal(select(frame, scores, 20, 5), select(rows, scores, 20, 5))


def test_numbers_of_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "emb": [np.ones(2)] * 3,
            "nan": [1.0, np.nan, 2.0],
            "nullable": pandas.array([1, None, 2], "Int64"),
            "text": ["a", None, "b"],
            "kind": pandas.Categorical(["u", "v", "u"]),
        },
        index=pandas.Index([10, 11, 12], name="row"),
    )
    pool = open_pool(frame)
    for name in ("nan", "nullable"):
        values = pool.column(name).numbers(allow_null=True)
        np.testing.assert_array_equal(values, [1, np.nan, 2])
    np.testing.assert_array_equal(pool.column("row").numbers(), [10, 11, 12])
    assert pool.column("text").take(np.array([0, 1])).to_pylist() == ["a", None]
    assert pool.column("kind").take(np.array([1, 2])).to_pylist() == ["v", "u"]


def test_texts_as_views():
    """Arrow cannot take rows of views."""
    column = pa.array(["a", None, "c"], pa.string_view())
    struct = pa.StructArray.from_arrays([column], ["t"])
    table = pa.table({"emb": [[1.0]] * 3, "t": column, "s": struct, "l": [["x"]] * 3})
    table = table.set_column(3, "l", pa.array([["x"]] * 3, pa.list_(pa.string_view())))
    pool = open_pool(table)
    for name in ("t", "s.t"):
        assert pool.column(name).take(np.array([1, 2])).to_pylist() == [None, "c"]
    assert pool.column("l").take(np.array([1])).to_pylist() == [["x"]]


# Datasets


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    module = pytest.importorskip("datasets")
    module.disable_progress_bars()
    return module


@pytest.fixture
def stored(datasets, rows, tmp_path):
    """Return a memory-mapped dataset of several chunks."""
    features = datasets.Features(
        {
            "id": datasets.Value("int64"),
            "emb": datasets.List(datasets.Value("float32")),
            "fixed": datasets.List(datasets.Value("float32"), length=D),
            "matrix": datasets.Array2D((1, D), "float32"),
        }
    )

    def examples():
        for place, row in enumerate(rows):
            yield {"id": place, "emb": row, "fixed": row, "matrix": row[None]}

    return datasets.Dataset.from_generator(
        examples, features=features, cache_dir=str(tmp_path), writer_batch_size=13
    )


VECTORS = ("emb", "fixed", "matrix")


def test_a_dataset_in_every_order(stored, rows, rng):
    orders = {
        "as stored": (stored, np.arange(N)),
        "shuffled": (shuffled := stored.shuffle(seed=1), np.array(shuffled["id"])),
        "selected": (stored.select([80, 3, 3, 40]), np.array([80, 3, 3, 40])),
        "sliced": (stored.select(range(20, 50)), np.arange(20, 50)),
        "filtered": (stored.filter(lambda row: row["id"] % 3 == 1), np.arange(1, N, 3)),
        "reversed": (stored.select(range(N - 1, -1, -1)), np.arange(N)[::-1]),
    }
    for data, order in orders.values():
        for name in VECTORS:
            pool = open_pool(data, column=name, ids="id")
            assert (pool.n, pool.d) == (len(order), D)
            np.testing.assert_array_equal(pool.read(0, pool.n).array, rows[order])
            np.testing.assert_array_equal(pool.read(1, 3).array, rows[order][1:3])
            indices = np.sort(rng.integers(0, pool.n, 30))
            np.testing.assert_array_equal(pool.gather(indices).array, rows[order][indices])
            np.testing.assert_array_equal(pool.column("id").numbers(), order)
            assert pool.ids.take(indices).to_pylist() == order[indices].tolist()
    marks = {str(open_pool(data, column="emb").fingerprint()) for data, _ in orders.values()}
    assert len(marks) == len(orders)


def test_a_dataset_selects_as_its_array(stored, rows, rng):
    scores = rng.normal(size=N)
    expected = select(rows, scores, 20, 5)
    for name in VECTORS:
        pool = open_pool(stored, column=name)
        np.testing.assert_array_equal(select(pool, scores, 20, 5), expected)


def test_a_file_of_datasets(stored, rows, tmp_path):
    path = tmp_path / "p.parquet"
    stored.to_parquet(str(path))
    for name in VECTORS:
        np.testing.assert_array_equal(open_pool(path, column=name).read(0, N).array, rows)
    code = (
        f"import sys; from ally_fast.pools import open_pool; pool = open_pool('{path}:matrix');"
        "assert 'datasets' not in sys.modules; print(pool.d, pool.read(0, 9).array.sum())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == str(D)


def test_what_is_no_single_table_of_datasets(datasets, stored):
    for data in (datasets.DatasetDict(train=stored), stored.to_iterable_dataset()):
        assert not is_table(data)
        with pytest.raises(TypeError, match=r"embeddings must hold.*got datasets\."):
            select(data, np.ones(N), 5, 2)


# What is a table


def test_arrays_are_no_tables():
    class Attributes:
        """Has an attribute of any name, as a Series has one for each of its labels."""

        def __getattr__(self, name):
            return self

    arrays = [np.ones((3, 2)), np.rec.array([(1, 2)], names="columns,to_pandas"), Attributes()]
    arrays += [pa.array([1]), pa.chunked_array([[1]]), [[1.0]], {"columns": 1}, "columns", None]
    if torch := sys.modules.get("torch"):
        arrays.append(torch.ones(3, 2))
    pandas = pytest.importorskip("pandas")
    arrays.append(pandas.Series({"columns": 1, "column_names": 2, "to_pandas": 3}))
    polars = pytest.importorskip("polars")
    arrays += [polars.Series([1]), polars.LazyFrame({"a": [1]})]
    assert not any(map(is_table, arrays))


def test_nothing_is_imported_to_know_a_table():
    code = (
        "import sys, numpy; from ally_fast.pools.frame import is_table;"
        "assert not is_table(numpy.ones(3));"
        "assert not {'pyarrow', 'pandas', 'polars', 'datasets', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1.0], "a"], "table: column 'emb': .*"),
        ([np.ones(2), np.ones((1, 2))], "table: column 'emb': .*1-dimensional"),
    ],
)
def test_objects_that_make_no_column(rows, message):
    frame = pytest.importorskip("pandas").DataFrame({"id": [1, 2], "emb": rows})
    with pytest.raises(ValueError, match=message) as raised:
        open_pool(frame, column="emb")
    assert len(str(raised.value)) <= 300


def test_two_columns_of_one_name():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([[1, 2, 3]], columns=["a", "a", "b"])
    tables = [frame, pa.table([[1], [2], [3]], names=["a", "a", "b"])]
    for table in tables:
        with pytest.raises(ValueError, match="table: 2 columns are called 'a'; rename all but one"):
            open_pool(table, column="a")


@pytest.mark.parametrize("kind", ["pyarrow table", "polars lists", "polars arrays"])
def test_no_rows(kind, lists):
    pool = open_pool(TABLES[kind](lists)[:0])
    assert pool.n == 0
    assert pool.read(0, 0).array.shape == (0, pool.d)
    assert pool.gather(np.empty(0, np.int64)).array.shape == (0, pool.d)
