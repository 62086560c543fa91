"""Every layout of vectors in Arrow columns, in memory and in Parquet, against plain matrices."""

import contextlib
import itertools
import re

import numpy as np
import pytest

from ally_fast import select
from ally_fast.pools import open_pool, read_column

pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")

N, D, GROUP = 60, 3, 17


def fixed(rows, element):
    return pa.array(rows, pa.list_(element, D))


def nested(rows, kind):
    return pa.array([None if row is None else [row] for row in rows], kind)


def tensors(rows, element, shape):
    kind = pa.fixed_shape_tensor(element, shape)
    return pa.ExtensionArray.from_storage(kind, fixed(rows, element))


def blobs(rows, element, kind):
    dtype = element.to_pandas_dtype()
    return pa.array([None if row is None else np.array(row, dtype).tobytes() for row in rows], kind)


def dictionaries(rows, element):
    lists = pa.array(rows, pa.list_(element))
    return pa.DictionaryArray.from_arrays(pa.array(range(len(rows))), lists)


LISTS = {
    "list": lambda rows, e: pa.array(rows, pa.list_(e)),
    "large list": lambda rows, e: pa.array(rows, pa.large_list(e)),
    "list view": lambda rows, e: pa.array(rows, pa.list_view(e)),
    "large list view": lambda rows, e: pa.array(rows, pa.large_list_view(e)),
    "list of one list": lambda rows, e: nested(rows, pa.list_(pa.list_(e))),
    "large list of one": lambda rows, e: nested(rows, pa.large_list(pa.large_list(e))),
}
FIXED = {
    "fixed-size list": fixed,
    "tensor": lambda rows, e: tensors(rows, e, [D]),
    "tensor of one row": lambda rows, e: tensors(rows, e, [1, D]),
    "fixed-size list of one": lambda rows, e: nested(rows, pa.list_(pa.list_(e, D), 1)),
}
BLOBS = {
    "binary": lambda rows, e: blobs(rows, e, pa.binary()),
    "large binary": lambda rows, e: blobs(rows, e, pa.large_binary()),
    "binary view": lambda rows, e: blobs(rows, e, pa.binary_view()),
}
FIXED_BLOBS = {
    "fixed-size binary": lambda rows, e: blobs(rows, e, pa.binary(D * e.bit_width // 8)),
}
MEMORY_ONLY = {
    "dictionary of lists": dictionaries,
    "list of a dictionary": lambda rows, e: pa.ListArray.from_arrays(
        pa.array([D * i for i in range(len(rows) + 1)], pa.int32()),
        pa.array(np.ravel(rows).tolist(), e).dictionary_encode(),
    ),
}
LAYOUTS = {**LISTS, **FIXED, **BLOBS, **FIXED_BLOBS}
ELEMENTS = {"float16": pa.float16(), "float32": pa.float32(), "float64": pa.float64()}
ELEMENTS |= {name: getattr(pa, name)() for name in ("int8", "uint8", "int32", "int64", "uint64")}
READ_AS = {"int8": "float32", "uint8": "float32", "int32": "float64", "int64": "float64"}
READ_AS |= {"uint64": "float64"}


@pytest.fixture
def rows(rng):
    return (100 * rng.normal(size=(N, D))).astype(np.float32)


def spec(layout, dtype="float32"):
    return f"emb[{dtype}]" if layout in {**BLOBS, **FIXED_BLOBS} else "emb"


def in_chunks(array):
    """Return chunks that begin behind other rows of their buffers, empty ones among them."""
    cuts = [0, 0, 1, 8, 8, 40, len(array), len(array)]
    return pa.chunked_array(
        [
            pa.concat_arrays([array[:2], array[lo:hi], array[:1]])[2 : 2 + hi - lo]
            for lo, hi in itertools.pairwise(cuts)
        ]
    )


def written(array, path, **options):
    table = pa.table({"id": range(len(array)), "emb": array})
    pq.write_table(table, path, row_group_size=GROUP, **options)
    return path


SOURCES = {
    "table": lambda array, path: pa.table({"id": range(len(array)), "emb": array}),
    "slice": lambda array, path: pa.table({"emb": pa.concat_arrays([array[:5], array])})[5:],
    "chunks": lambda array, path: pa.table({"emb": in_chunks(array)}),
    "batch": lambda array, path: pa.record_batch({"emb": array}),
    "parquet": written,
}


def check(pool, expected):
    """Compare all ways to read a pool with a matrix."""
    assert (pool.n, pool.d) == expected.shape
    random = np.random.default_rng(3)
    for lo, hi in [(0, N), (0, 0), *np.sort(random.integers(0, N + 1, (12, 2))).tolist()]:
        np.testing.assert_array_equal(pool.read(lo, hi).array, expected[lo:hi], strict=True)
        indices = np.sort(random.integers(0, N, hi - lo))
        np.testing.assert_array_equal(pool.gather(indices).array, expected[indices], strict=True)


@pytest.mark.parametrize(
    ("layout", "source"),
    [
        *itertools.product(LAYOUTS, SOURCES),
        *itertools.product(MEMORY_ONLY, sorted({*SOURCES} - {"parquet"})),
    ],
)
@pytest.mark.parametrize("dtype", ELEMENTS)
def test_rows_of_every_layout(layout, source, dtype, rows, tmp_path):
    values = np.abs(rows).astype(dtype)
    array = {**LAYOUTS, **MEMORY_ONLY}[layout](values.tolist(), ELEMENTS[dtype])
    pool = open_pool(SOURCES[source](array, tmp_path / "p.parquet"), column=spec(layout, dtype))
    assert (pool.dtype_name, pool.itemsize) == (dtype, values.itemsize)
    check(pool, values.astype(READ_AS.get(dtype, dtype)))


BAD = {  # of each kind of layout: how a row is spoiled, and what is said of it
    "null": (lambda row: None, {"all": "is null"}),
    "null value": (
        lambda row: [row[0], None, row[2]],
        {"lists": "holds a null", "fixed": "holds a null"},
    ),
    "short": (
        lambda row: row[:2],
        {
            "lists": "has 2 values, needs 3 like the other rows",
            "blobs": "has 8 bytes, needs 12 like the other rows",
        },
    ),
    "empty": (
        lambda row: [],
        {
            "lists": "has 0 values, needs 3 like the other rows",
            "blobs": "has 0 bytes, needs 12 like the other rows",
        },
    ),
    "not a number": (
        lambda row: [row[0], np.nan, row[2]],
        {"all": "holds NaN or infinite values"},
    ),
}
GROUPS = {"lists": LISTS, "fixed": FIXED, "blobs": BLOBS, "fixed blobs": FIXED_BLOBS}
SPOILED = [
    (layout, case, said.get("all") or said[group])
    for group, layouts in GROUPS.items()
    for layout in layouts
    for case, (_, said) in BAD.items()
    if "all" in said or group in said
]


@pytest.mark.parametrize("places", [(0, 1, 30), (N - 1,)], ids=str)
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("layout", "case", "said"), SPOILED)
def test_bad_rows_are_nan_and_named(layout, case, said, source, places, rows, tmp_path, rng):
    values = rows.tolist()
    for place in places:
        values[place] = BAD[case][0](values[place])
    array = LAYOUTS[layout](values, pa.float32())
    pool = open_pool(SOURCES[source](array, tmp_path / "p.parquet"), column=spec(layout))
    good = np.isin(np.arange(N), places, invert=True)
    for read in (pool.read(0, N).array, pool.gather(np.arange(N)).array):
        np.testing.assert_array_equal(read[good], rows[good])
        assert np.isnan(read[~good]).any(axis=1).all()
    for place in places:
        assert pool.fault(place).endswith(f"column 'emb': row {place} {said}")
    scores = rng.normal(size=N)
    np.testing.assert_array_equal(
        select(pool, scores, 20, 5, exclude=places), select(rows, scores, 20, 5, exclude=places)
    )
    with pytest.raises(ValueError, match=f"column 'emb': row {places[0]} {said}; {len(places)} of"):
        select(pool, scores, 20, 5)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("layout", ["list", "fixed-size list", "list of one list"])
def test_integers_with_nulls(layout, source, rows, tmp_path):
    values = rows.astype(np.int16).tolist()
    values[3], values[40][1] = None, None
    array = LAYOUTS[layout](values, pa.int16())
    pool = open_pool(SOURCES[source](array, tmp_path / "p.parquet"), column="emb")
    expected = rows.astype(np.int16).astype(np.float32)
    expected[3] = expected[40, 1] = np.nan
    assert pool.dtype_name == "int16"
    np.testing.assert_array_equal(pool.read(0, N).array, expected, strict=True)


def test_inner_lists_that_are_null_or_several(rows):
    values = [[row] for row in rows.tolist()]
    values[1], values[2], values[3], values[4] = [None], [values[2][0]] * 2, [[1.0]], []
    pool = open_pool(pa.table({"emb": pa.array(values, pa.list_(pa.list_(pa.float32())))}),
                     column="emb")  # fmt: skip
    assert np.isnan(pool.read(1, 5).array).all()
    np.testing.assert_array_equal(pool.read(5, N).array, rows[5:])
    said = ["a null", "2 lists, needs 1", "1 values, needs 3", "0 lists, needs 1"]
    for row, what in enumerate(said, 1):
        assert re.search(rf"row {row} (holds|has) {what}", pool.fault(row))


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("layout", ["binary", "fixed-size binary"])
def test_bfloat16_in_bytes(layout, source, rows, tmp_path):
    bits = (rows.view(np.uint32) >> 16).astype(np.uint16)
    array = {**BLOBS, **FIXED_BLOBS}[layout]([None, *bits[1:].tolist()], pa.uint16())
    pool = open_pool(SOURCES[source](array, tmp_path / "p.parquet"), column="emb[bfloat16]")
    assert (pool.dtype_name, pool.d) == ("bfloat16", D)
    read = pool.read(0, N)
    assert read.bf16
    np.testing.assert_array_equal(read.array[1:], bits[1:])
    assert np.isnan((read.array[0].astype(np.uint32) << 16).view(np.float32)).all()


# Names


def columns(rows, name="emb_{}", order=None):
    return {name.format(i): rows[:, i] for i in order or range(rows.shape[1])}


def as_file(table, path):
    pq.write_table(pa.table(table), path, row_group_size=GROUP)
    return path


NAMED_SOURCES = {"table": lambda table, path: pa.table(table), "parquet": as_file}
named_sources = pytest.mark.parametrize("source", NAMED_SOURCES)


@named_sources
@pytest.mark.parametrize("dtype", ELEMENTS)
def test_one_column_a_dimension_in_natural_order(source, dtype, rng, tmp_path):
    rows = rng.integers(0, 100, (N, 12)).astype(dtype)
    table = {"id": np.arange(N), **columns(rows, order=[11, 3, *range(3), *range(4, 11)])}
    pool = open_pool(NAMED_SOURCES[source](table, tmp_path / "p.parquet"), column="emb_*")
    assert pool.dtype_name == dtype
    check(pool, rows.astype(READ_AS.get(dtype, dtype)))


@named_sources
def test_nulls_in_one_column_a_dimension(source, rows, tmp_path):
    table = columns(rows, "x{}y")
    table["x1y"] = pa.array([None if i == 7 else value for i, value in enumerate(rows[:, 1])])
    table["x1y"] = table["x1y"].cast(pa.float32())
    pool = open_pool(NAMED_SOURCES[source](table, tmp_path / "p.parquet"), column="x*y")
    expected = rows.copy()
    expected[7, 1] = np.nan
    check(pool, expected)
    assert re.search(r"column 'x\*y': row 7 holds a null", pool.fault(7))


@named_sources
def test_the_only_column_of_a_pattern(source, rows, tmp_path):
    table = columns(rows[:, :1])
    check(
        open_pool(NAMED_SOURCES[source](table, tmp_path / "p.parquet"), column="emb_*"), rows[:, :1]
    )


@named_sources
@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"emb_3": np.ones(N)}, TypeError, "'emb_3' holds double, needs float like 'emb_0'"),
        ({"emb_3": ["a"] * N}, TypeError, "'emb_3' holds string, needs float like 'emb_0'"),
        ({"emb_norm": np.ones(N, np.float32)}, ValueError, "'emb_norm' matches, but has no number"),
    ],
)
def test_columns_of_a_pattern_that_do_not_belong_together(
    source, more, error, message, rows, tmp_path
):
    table = {**columns(rows), **more}
    with pytest.raises(error, match=rf"columns 'emb_\*': {message}"):
        open_pool(NAMED_SOURCES[source](table, tmp_path / "p.parquet"), column="emb_*")


@named_sources
def test_a_pattern_without_match(source, rows, tmp_path):
    with pytest.raises(ValueError, match=r"no column 'emb-\*'; it has 'emb_"):
        open_pool(NAMED_SOURCES[source](columns(rows), tmp_path / "p.parquet"), column="emb-*")


@named_sources
def test_fields_of_structs(source, rows, tmp_path):
    inner = {"emb": fixed(rows.tolist(), pa.float32()), "score": pa.array(rows[:, 0])}
    null = pa.array(np.arange(N) == 9)
    struct = pa.StructArray.from_arrays([*inner.values()], [*inner], mask=null)
    outer = pa.StructArray.from_arrays([struct, pa.array(range(N))], ["b", "id"])
    table = {"first": range(N), "a": outer, "last": range(N)}
    given = NAMED_SOURCES[source](table, tmp_path / "p.parquet")
    pool = open_pool(given, column="a.b.emb", scores="a.b.score")
    expected = rows.copy()
    expected[9] = np.nan
    check(pool, expected)
    assert re.search(r"column 'a\.b\.emb': row 9 is null", pool.fault(9))
    scores = pool.column("a.b.score").numbers(allow_null=True)
    np.testing.assert_array_equal(scores, expected[:, 0])
    assert pool.column("a.id").take(np.array([3, 8])).to_pylist() == [3, 8]
    for name in ("a.b.x", "a.x.emb", "first.x", "a.b.emb.x"):
        with pytest.raises(ValueError, match=f"no column '{name}'; it has 'first', 'a', 'last'"):
            open_pool(given, column=name)


def test_a_field_of_a_struct_by_its_path(rows, tmp_path):
    struct = pa.array([{"score": row[0], "emb": row} for row in rows.tolist()])
    path = as_file({"a": struct, "x": range(N)}, tmp_path / "p.parquet")
    np.testing.assert_array_equal(open_pool(f"{path}:a.emb").read(0, N).array, rows)
    np.testing.assert_array_equal(read_column(f"{path}:a.score"), rows[:, 0])
    blob = as_file({"e": blobs(rows.tolist(), pa.float32(), pa.binary())}, tmp_path / "b.parquet")
    np.testing.assert_array_equal(open_pool(f"{blob}:e[float32]").read(0, N).array, rows)
    flat = as_file(columns(rows), tmp_path / "c.parquet")
    np.testing.assert_array_equal(open_pool(f"{flat}:emb_*").read(0, N).array, rows)


@named_sources
def test_a_name_as_it_stands_comes_first(source, rows, tmp_path):
    """Before a field, a dtype and a pattern, all of which it could be."""
    emb, other = fixed(rows.tolist(), pa.float32()), fixed((-rows).tolist(), pa.float32())
    struct = pa.StructArray.from_arrays([other], ["b"])
    blob = blobs((-rows).tolist(), pa.float32(), pa.binary())
    table = {"a.b": emb, "a": struct, "e[float32]": emb, "e": blob, "x*": emb, "x1": -rows[:, 0]}
    given = NAMED_SOURCES[source](table, tmp_path / "p.parquet")
    for name in ("a.b", "e[float32]", "x*"):
        np.testing.assert_array_equal(open_pool(given, column=name).read(0, N).array, rows)


@named_sources
def test_the_only_column_of_vectors_needs_no_name(source, rows, tmp_path):
    table = {
        "emb": fixed(rows.tolist(), pa.float32()),
        "tokens": pa.array([["a", "b"]] * N),
        "image": pa.array([b"png"] * N),
        "number": rows[:, 0],
    }
    given = NAMED_SOURCES[source](table, tmp_path / "p.parquet")
    np.testing.assert_array_equal(open_pool(given).read(0, N).array, rows)
    table["more"] = table["emb"]
    with pytest.raises(ValueError, match=r"name its column .* it has 'emb', 'tokens'"):
        open_pool(NAMED_SOURCES[source](table, tmp_path / "q.parquet"))


@named_sources
@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        ("image", TypeError, r"'image' holds binary: state the dtype .* as in name\[float32\]"),
        ("image[float]", TypeError, r"'image': got \[float\], needs one of bfloat16, float16"),
        (
            "image[float16]",
            ValueError,
            "'image' holds 3 bytes in a row: not a whole number of float16 values",
        ),
        ("emb[float32]", TypeError, r"'emb' holds fixed_size_list.* only bytes .*\[float32\]"),
        ("text", TypeError, "'text' must hold lists of numbers; it holds string"),
        ("tokens", TypeError, "'tokens' must hold lists of numbers; it holds list"),
        ("flags", TypeError, "'flags' must hold lists of numbers; it holds list"),
        ("number", TypeError, "'number' must hold lists of numbers; it holds float"),
        ("point", TypeError, "'point' must hold lists of numbers; it holds struct"),
        ("matrix", ValueError, r"'matrix' holds matrices \(2 x 3\) in its rows, needs vectors"),
        ("boxes", ValueError, r"'boxes' holds matrices \(2 x 4\) in its rows, needs vectors"),
    ],
)
def test_what_is_no_column_of_vectors(source, column, error, message, rows, tmp_path):
    table = {
        "emb": fixed(rows.tolist(), pa.float32()),
        "image": pa.array([b"png"] * N),
        "text": pa.array(["a"] * N),
        "tokens": pa.array([["a", "b"]] * N),
        "flags": pa.array([[True, False]] * N),
        "number": rows[:, 0],
        "point": pa.array([{"x": 1.0, "y": 2.0}] * N),
        "matrix": pa.FixedShapeTensorArray.from_numpy_ndarray(np.ones((N, 2, 3))),
        "boxes": pa.array([[[1.0] * 4] * 2] * N),
    }
    with pytest.raises(error, match=message) as raised:
        open_pool(NAMED_SOURCES[source](table, tmp_path / "p.parquet"), column=column)
    assert len(str(raised.value).removeprefix(str(tmp_path))) <= 300


# Writers

ENCODINGS = {
    "plain": {"use_dictionary": False},
    "dictionary": {"use_dictionary": True},
    "byte stream split": {"use_dictionary": False, "use_byte_stream_split": True},
    "page v2": {"data_page_version": "2.0"},
    "small pages": {"data_page_size": 100, "write_batch_size": 5},
    "page index": {"write_page_index": True},
    "checksums": {"write_page_checksum": True},
    "no Arrow schema": {"store_schema": False},
    "format 1.0": {"version": "1.0", "use_deprecated_int96_timestamps": True},
    "old names of lists": {"use_compliant_nested_type": False},
    **{name: {"compression": name} for name in ("snappy", "gzip", "zstd", "lz4", "brotli")},
}


@pytest.mark.parametrize(
    ("layout", "encoding"),
    [
        *itertools.product(
            ["list", "fixed-size list", "list of one list", "fixed-size binary"], ENCODINGS
        ),
        *(("binary", encoding) for encoding in ENCODINGS if encoding != "byte stream split"),
    ],
)
def test_what_writers_choose(layout, encoding, rows, tmp_path):
    values = [None if place in (3, 20) else row for place, row in enumerate(rows.tolist())]
    array = LAYOUTS[layout](values, pa.float32())
    path = written(array, tmp_path / "p.parquet", **ENCODINGS[encoding])
    expected = rows.copy()
    expected[[3, 20]] = np.nan
    check(open_pool(path, column=spec(layout)), expected)


def test_files_of_polars(rows, tmp_path):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(
        {
            "list": polars.Series([None, *rows[1:].tolist()], dtype=polars.List(polars.Float32)),
            "array": polars.Series(rows, dtype=polars.Array(polars.Float32, D)),
            "bytes": [row.tobytes() for row in rows],
            **columns(rows),
        }
    ).with_columns(struct=polars.struct(emb="array", x="emb_1"))
    frame.write_parquet(tmp_path / "p.parquet", row_group_size=GROUP)
    null = rows.copy()
    null[0] = np.nan
    for given in (tmp_path / "p.parquet", frame):
        check(open_pool(given, column="list"), null)
        for name in ("array", "bytes[float32]", "emb_*", "struct.emb"):
            check(open_pool(given, column=name), rows)


def test_files_of_pandas(rows, tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"id": range(N), "emb": [None, *rows[1:]], **columns(rows)})
    frame["bytes"] = [row.tobytes() for row in rows]
    frame.to_parquet(tmp_path / "p.parquet")
    null = rows.copy()
    null[0] = np.nan
    for given in (tmp_path / "p.parquet", frame):
        check(open_pool(given), null)
        for name in ("emb_*", "bytes[float32]"):
            check(open_pool(given, column=name), rows)


def test_files_of_duckdb(rows, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    numbered = pa.table({"id": range(N), "emb": LISTS["list"](rows.tolist(), pa.float32())})
    path = tmp_path / "p.parquet"
    with contextlib.closing(duckdb.connect()) as connection:
        connection.register("numbered", numbered)
        query = f"SELECT id, emb, emb::FLOAT[{D}] AS array, {{'e': emb}} AS s FROM numbered"
        connection.execute(f"COPY ({query} ORDER BY id) TO '{path}' (FORMAT parquet)")
        for name in ("emb", "array", "s.e"):
            check(open_pool(path, column=name), rows)
        relation = connection.sql(f"{query} ORDER BY id")
        check(open_pool(relation, column="array"), rows)
