"""Pools and columns by the name of a file."""

import numpy as np
import pytest

from ally_fast.pools import open_pool, read_column

ROWS = np.arange(6, dtype=np.float32).reshape(3, 2)
SCORES = np.array([0.5, 0.25, 1.0])


def test_npy_is_mapped(tmp_path):
    np.save(tmp_path / "pool.npy", ROWS)
    pool = open_pool(tmp_path / "pool.npy")
    np.testing.assert_array_equal(pool.read(0, 3).array, ROWS)
    base = pool.read(0, 3).array
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


def test_npz_by_key(tmp_path):
    np.savez(tmp_path / "pool.npz", X=ROWS, s=SCORES)
    np.testing.assert_array_equal(open_pool(f"{tmp_path}/pool.npz:X").read(0, 3).array, ROWS)
    np.testing.assert_array_equal(read_column(f"{tmp_path}/pool.npz:s"), SCORES)
    with pytest.raises(ValueError, match=r"no key 'Y'; it has 'X', 's'"):
        open_pool(f"{tmp_path}/pool.npz:Y")
    with pytest.raises(ValueError, match=r"name its key .*; it has 'X', 's'"):
        open_pool(f"{tmp_path}/pool.npz")


def test_a_key_can_be_left_out_where_there_is_one(tmp_path):
    np.savez_compressed(tmp_path / "pool.npz", X=ROWS)
    assert open_pool(tmp_path / "pool.npz").d == 2


def test_csv_column(tmp_path):
    path = tmp_path / "batch.csv"
    path.write_text("order,index,score\n0,7,0.1\n1,2,1e-3\n")
    assert read_column(f"{path}:index").tolist() == [7, 2]
    assert read_column(path, "index").dtype == np.int64
    assert read_column(f"{path}:score").tolist() == [0.1, 1e-3]
    with pytest.raises(ValueError, match=r"no column 'x'; it has 'order', 'index', 'score'"):
        read_column(f"{path}:x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,c\n1,2\n1,b\n", "line 3: column 'c': 'b' is not a number"),
        ("a,c\n1,2\n3\n", "line 3 has 1 fields, line 1 has 2"),
        ("", "is empty, needs names of columns on line 1"),
    ],
    ids=["words", "short line", "empty"],
)
def test_bad_csv(text, message, tmp_path):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(ValueError, match=rf"x\.csv: {message}"):
        read_column(f"{tmp_path}/x.csv:c")


def test_parquet_column(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
    pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
    path = tmp_path / "s.parquet"
    table = {"s": SCORES, "mask": [True, False, True], "gap": [1.0, None, 2.0], "t": ["a"] * 3}
    pq.write_table(pa.table(table), path)
    np.testing.assert_array_equal(read_column(f"{path}:s"), SCORES)
    assert read_column(f"{path}:mask").tolist() == [True, False, True]
    with pytest.raises(ValueError, match=r"column 'gap': row 1 is null"):
        read_column(f"{path}:gap")
    with pytest.raises(TypeError, match=r"column 't' must hold numbers; it holds string"):
        read_column(f"{path}:t")
    with pytest.raises(ValueError, match=r"no column 'x'; it has 's', 'mask', 'gap', 't'"):
        read_column(f"{path}:x")


@pytest.mark.parametrize("groups", [1, 2, 5])
def test_parquet_nulls_are_nan_where_they_are_allowed(groups, tmp_path):
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
    pq = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
    path = tmp_path / "s.parquet"
    nan, big = float("nan"), 2**53
    table = {
        "half": (pa.float16(), [1.5, None, nan, 2.0, None]),
        "single": (pa.float32(), [None, 1.5, 2.0, nan, 0.25]),
        "double": (pa.float64(), [0.1, 1e300, None, None, -0.0]),
        "byte": (pa.int8(), [-128, None, 127, 0, 1]),
        "word": (pa.uint32(), [2**32 - 1, 0, 1, 2, None]),
        "long": (pa.int64(), [-big, big, 0, None, 1]),
        "all": (pa.int64(), [None] * 5),
        "whole": (pa.int64(), [2**62, 1, 2, 3, 4]),
        "rounded": (pa.int64(), [big + 1, 0, 0, 0, None]),
        "mask": (pa.bool_(), [True, None, False, True, True]),
    }
    columns = {
        name: pa.array([None if v is None else np.float16(v) for v in values], kind)
        if name == "half"
        else pa.array(values, kind)
        for name, (kind, values) in table.items()
    }
    pq.write_table(pa.table(columns), path, row_group_size=groups)
    for name in ("half", "single", "double", "byte", "word", "long", "all"):
        kind, values = table[name]
        read = read_column(f"{path}:{name}", allow_null=True)
        same = pa.types.is_floating(kind)
        assert read.dtype == (kind.to_pandas_dtype() if same else np.float64)
        expected = [nan if value is None else value for value in values]
        np.testing.assert_array_equal(read, np.array(expected, read.dtype))
        first = values.index(None)
        with pytest.raises(ValueError, match=rf"s\.parquet: column '{name}': row {first} is null"):
            read_column(f"{path}:{name}")
    assert read_column(f"{path}:whole", allow_null=True).tolist() == table["whole"][1]
    with pytest.raises(ValueError, match=r"column 'rounded' holds nulls, and integers beyond"):
        read_column(f"{path}:rounded", allow_null=True)
    with pytest.raises(ValueError, match=r"column 'mask': row 1 is null"):
        read_column(f"{path}:mask", allow_null=True)


def truncated(path):
    path.write_bytes(path.read_bytes()[:-4])


DAMAGE = {
    "text": lambda path: path.write_text("hello"),
    "empty": lambda path: path.write_bytes(b""),
    "objects": lambda path: np.save(path, np.array([[None, 1]]), allow_pickle=True),
    "truncated": truncated,
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_npy(case, tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, ROWS)
    DAMAGE[case](path)
    with pytest.raises(ValueError, match=r"x\.npy: not a NumPy file of numbers"):
        open_pool(path)


@pytest.mark.parametrize("case", ["text", "empty", "truncated"])
def test_damaged_npz(case, tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, X=ROWS)
    DAMAGE[case](path)
    with pytest.raises(ValueError, match=r"x\.npz: not a NumPy file of numbers"):
        open_pool(path)


def test_scores_of_two_dimensions(tmp_path):
    np.save(tmp_path / "x.npy", ROWS)
    with pytest.raises(ValueError, match=r"need one value per row, got shape \(3, 2\)"):
        read_column(tmp_path / "x.npy")
