"""What a caller names, and what it means: files in order, or one line that says what is wrong."""

import os
import sys

import numpy as np
import pytest

from ally_fast.pools import open_pool, read_column
from ally_fast.pools.column_spec import ColumnSpec
from ally_fast.pools.formats import FORMATS
from ally_fast.pools.sources import locations, split_key

ROWS = np.arange(6, dtype=np.float32).reshape(3, 2)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Work in an empty folder, which is the home folder as well."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def save(*names):
    """Save rows that hold the place of the file in the list."""
    for number, name in enumerate(names):
        if folder := os.path.dirname(name):
            os.makedirs(folder, exist_ok=True)
        with open(name, "wb") as file:
            np.save(file, np.full((1, 2), number, np.float32))


def order(source, **options):
    pool = open_pool(source, **options)
    return pool.read(0, pool.n).array[:, 0].astype(int).tolist()


def refusal(error, source, read=open_pool, **options):
    with pytest.raises(error) as caught:
        read(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) <= 300
    return message


# What is found


def test_natural_order_of_paths():
    save("p/a-1.npy", "p/a-2.npy", "p/a-10.npy", "p/b/a-1.npy", "p/b-1/x.npy")
    assert order("p") == order("p/**/*.npy") == [0, 1, 2, 3, 4]
    assert order("p/*.npy") == [0, 1, 2]
    assert order(["p/a-10.npy", "p/a-1.npy"]) == [2, 0]
    assert order(["p/b/*.npy", "p/a-1.npy"]) == [3, 0]


@pytest.mark.parametrize("source", ["p", "p/**/*", "p/**/*.npy", "./p/**/*.npy"])
def test_what_programs_leave_beside_shards_is_no_shard(source):
    save("p/0.npy", "p/sub/1.npy", "p/.hidden.npy", "p/_x.npy", "p/.cache/0.npy", "p/_tmp/0.npy")
    for name in ("p/_SUCCESS", "p/.DS_Store", "p/_metadata", "p/sub/_SUCCESS"):
        open(name, "w").close()
    assert order(source) == [0, 1]


def test_a_hidden_file_that_is_named_is_read():
    save("p/_x.npy", "p/.y.npy", "_p/.q/0.npy")
    assert order("p/_x.npy") == order("p/_*.npy") == [0]
    assert order("p/.*.npy") == [1]
    assert order("_p/.q") == order("_p/.q/*.npy") == order("_p/.*/*") == [2]


def test_other_files_in_a_folder_are_left_alone():
    save("p/0.npy")
    for name in ("README.md", "labels.csv", "notes.txt", "noextension"):
        open(f"p/{name}", "w").close()
    assert order("p") == [0]


@pytest.mark.parametrize("source", ["p", "p/*/*.npy", "p/**/*.npy"])
def test_hive_folders_are_columns(source):
    save("p/day=2/x.npy", "p/day=10/x.npy")
    pool = open_pool(source)
    assert pool.column("day").take(np.arange(2)).to_pylist() == ["2", "10"]
    assert order(source) == [0, 1]


@pytest.mark.parametrize("name", ["A.NPY", "a:b.npy", "a:b.npy:c.npy", "a[1].npy", "a b.npy"])
def test_names_of_files_that_exist(name):
    save(name)
    assert order(name) == [0]
    assert order([name]) == [0]
    assert order(".") == [0]


def test_a_key_behind_any_name():
    for name in ("a.npz", "a:b.npz", "A[1].NPZ"):
        with open(name, "wb") as file:
            np.savez(file, x=ROWS, y=-ROWS)
        np.testing.assert_array_equal(open_pool(f"{name}:y").read(0, 3).array, -ROWS)
        np.testing.assert_array_equal(open_pool(name, column="y").read(0, 3).array, -ROWS)
    np.testing.assert_array_equal(open_pool("a*.npz:x").read(0, 6).array, [*ROWS, *ROWS])


@pytest.mark.parametrize("source", ["~/p", "~/p/*.npy", "~/p/0.npy", ["~/p/0.npy"]])
def test_the_home_folder(source):
    save("p/0.npy")
    assert order(source) == [0]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a.npy", ("a.npy", None)),
        ("a.npz:k", ("a.npz", "k")),
        ("a.npz:k:1", ("a.npz", "k:1")),
        ("b:c.npz", ("b:c.npz", None)),
        ("b:c.npz:k", ("b:c.npz", "k")),
        ("a.PARQUET:col", ("a.PARQUET", "col")),
        ("a.h5:group/data", ("a.h5", "group/data")),
        ("a.zarr:group/data", ("a.zarr", "group/data")),
        ("p/*.h5:x", ("p/*.h5", "x")),
        ("folder:emb", ("folder", "emb")),
        ("s3://bucket/a.npz", ("s3://bucket/a.npz", None)),
        ("s3://bucket/a.npz:k", ("s3://bucket/a.npz", "k")),
    ],
)
@pytest.mark.parametrize("exists", [False, True])
def test_file_and_key(name, parts, exists):
    # Only a file that exists tells that a colon, or a folder's name, is its own.
    if exists or parts[0] in ("b:c.npz", "folder"):
        if "*" not in name and "//" not in name:
            os.mkdir(parts[0]) if "." not in parts[0] else open(parts[0], "w").close()
    assert split_key(name) == parts


def test_column_specs():
    open("b:c.npz", "w").close()
    for text, parts in {
        ":score": (None, "score", None),
        "duals.npy": ("duals.npy", None, None),
        "d.parquet:score@id": ("d.parquet", "score", "id"),
        "d.h5:group/score@group/id": ("d.h5", "group/score", "group/id"),
        "b:c.npz:x@id": ("b:c.npz", "x", "id"),
    }.items():
        spec = ColumnSpec.parse(text)
        assert (spec.source, spec.column, spec.ids) == parts


# What is not


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("key", ["", ":emb", ":group/emb"])
def test_no_such_file(extension, key):
    for read in (open_pool, read_column):
        message = refusal(FileNotFoundError, f"x{extension}{key}", read)
        assert "no such file" in message
        assert f"x{extension}" in message
        assert "emb" not in message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "no such file: 'nowhere'"),
        ("nowhere/", "no such file: 'nowhere/'"),
        ("~/nowhere", "no such file"),
        ("nowhere/*.npy", "no file matches: 'nowhere/*.npy'"),
        ("*.npy", "no file matches: '*.npy'"),
        ("*.npz:emb", "no file matches: '*.npz'"),
        ("x[12].npy", "no file matches: 'x[12].npy'"),
        ("nowhere.zarr:emb", "no such file: 'nowhere.zarr'"),
        ("empty", "the folder holds no files that can be read (.npy, .npz, .parquet"),
        ("other", "the folder holds no files that can be read (.npy, .npz, .parquet"),
        ("empty.zarr", "the folder holds no files that can be read"),
    ],
)
def test_nothing_is_there(source, message):
    os.mkdir("empty")
    os.mkdir("empty.zarr")
    os.mkdir("other")
    open("other/x.csv", "w").close()
    assert message in refusal(FileNotFoundError, source)


def test_no_files_at_all():
    assert "got no files" in refusal(ValueError, [], read=locations)


def test_a_folder_of_mixed_formats():
    save("p/0.npy", "p/1.npy")
    np.savez("p/2.npz", x=ROWS)
    open("p/3.parquet", "w").close()
    message = refusal(ValueError, "p")
    assert "p: holds files of several formats (" in message
    assert "1 .parquet" in message
    assert "name those to read" in message


HINTS = {
    "x.csv": "vectors are not read from CSV; save them as .npy or .parquet",
    "x.txt": "vectors are not read from plain text; save them as",
    "x.jsonl": "vectors are not read from JSON lines; save them as",
    "x.json": "vectors are not read from",
    "x.csv.gz": ".gz files are not read; unpack it",
    "x.npy.zst": ".zst files are not read; unpack it",
    "x.tar": ".tar files are not read; unpack it",
    "x.pkl": "load it where you trust it, and save the array with numpy.save",
    "x.PICKLE": "load it where you trust it, and save the array with numpy.save",
    "x.pt": "torch.load(weights_only=True)",
    "x.pth": "torch.load(weights_only=True)",
    "x.bin": "numpy.memmap",
    "x.mat": "scipy.io.loadmat",
    "x.tsv": "save it with commas, as .csv",
    "x.lance": "is not a Lance table; name the folder that has _versions",
    "x.xyz": ".xyz files are not read; needs one of .npy, .npz",
    "noextension": "such a file is not read; needs one of .npy, .npz",
    "_SUCCESS": "such a file is not read",
}


@pytest.mark.parametrize("name", HINTS)
@pytest.mark.parametrize("listed", [False, True])
def test_a_file_that_is_not_read_says_what_to_do(name, listed):
    open(name, "w").close()
    message = refusal(ValueError, [name] if listed else name)
    assert message.startswith(f"{name}: ")
    assert HINTS[name] in message


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("x.parquet", "pyarrow.parquet", "parquet"),
        ("x.arrow", "pyarrow.ipc", "parquet"),
        ("x.h5", "h5py", "hdf5"),
        ("x.zarr", "zarr", "zarr"),
        ("x.lance", "lance", "lance"),
    ],
)
def test_a_package_that_is_missing_is_named_with_its_extra(name, package, extra, monkeypatch):
    if name == "x.zarr":
        pytest.importorskip("zarr", reason="needs zarr").save_array(name, ROWS)
    elif name == "x.lance":
        os.makedirs("x.lance/_versions")
    else:
        open(name, "w").close()
    monkeypatch.setitem(sys.modules, package, None)
    message = refusal(ImportError, name)
    root = {"lance": "pylance"}.get(package, package.split(".")[0])
    assert message == f"reading {name} needs {root}: pip install 'ally-fast[{extra}]'"


def test_a_url_of_a_file_system_that_is_not_there():
    pytest.importorskip("fsspec", reason="needs fsspec")
    message = refusal(ValueError, "nowhere://bucket/x.npy")
    assert message.startswith("nowhere://bucket/x.npy: ")
    assert "no such file: 'memory://nowhere/x.npy'" in refusal(
        FileNotFoundError, "memory://nowhere/x.npy"
    )
    assert "no file matches" in refusal(FileNotFoundError, "memory://nowhere/*.npy")


def test_a_remote_folder():
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec")
    arrow = pytest.importorskip("pyarrow", reason="needs pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
    memory = fsspec.filesystem("memory")
    names = ("day=2/a.parquet", "day=10/a.parquet", "_tmp/a.parquet", ".h/a.parquet", "_SUCCESS")
    for number, name in enumerate(names):
        parquet.write_table(arrow.table({"emb": [[float(number)] * 2]}), "x.parquet")
        memory.put("x.parquet", f"/remote/{name}")
    assert order("memory://remote") == order("memory://remote/day*/*.parquet") == [0, 1]
    pool = open_pool("memory://remote")
    assert pool.column("day").take(np.arange(2)).to_pylist() == ["2", "10"]


def test_a_key_and_a_column():
    np.savez("x.npz", a=ROWS, b=ROWS)
    message = refusal(ValueError, "x.npz:a", column="b")
    assert message == "column: got 'b' and also x.npz:a; pass one of them"


def test_an_array_has_no_columns():
    assert refusal(ValueError, ROWS, column="a") == "column: got 'a', but an array has no columns"
