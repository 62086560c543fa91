"""Arrays in HDF5 and Zarr: what is decoded, what has gaps, what is refused."""

import json
import subprocess
import sys
from functools import partial

import numpy as np
import pytest

from ally_fast import select
from ally_fast.pools import open_pool, read_column, sliced_pool
from ally_fast.pools.hdf5_file import Hdf5Array
from ally_fast.pools.location import Location
from ally_fast.pools.sliced_column import SlicedColumn
from ally_fast.pools.zarr_array import ZarrArray

N, D = 60, 4


@pytest.fixture
def array(rng):
    return rng.normal(size=(N, D)).astype(np.float32)


@pytest.fixture
def h5py():
    return pytest.importorskip("h5py", reason="needs h5py")


@pytest.fixture
def zarr():
    return pytest.importorskip("zarr", reason="needs zarr", minversion="3")


@pytest.fixture(params=["hdf5", "zarr 2", "zarr 3"])
def empty(request, tmp_path):
    """Return a function that makes an array in chunks, nothing written, and its source."""

    def made(dtype="f4", shape=(N, D), chunks=(10, 2), **options):
        if request.param == "hdf5":
            h5py = pytest.importorskip("h5py", reason="needs h5py")
            file = h5py.File(tmp_path / "pool.h5", "w")
            return (
                file.create_dataset("emb", shape, dtype, chunks=chunks, **options),
                tmp_path / "pool.h5",
                file,
            )
        zarr = pytest.importorskip("zarr", reason="needs zarr", minversion="3")
        path = tmp_path / "pool.zarr"
        array = zarr.create_array(
            path, shape=shape, dtype=dtype, chunks=chunks, zarr_format=int(request.param[-1])
        )
        return array, path, None

    return made


def closed(file):
    if file is not None:
        file.close()


@pytest.mark.parametrize("dtype", ["f4", "i1", "f8"])
def test_rows_that_were_never_written_hold_no_vector(dtype, empty, array, rng):
    stored, path, file = empty(dtype)
    array = (9 * array).astype(dtype)
    stored[:20] = array[:20]
    stored[30:35] = array[30:35]  # a chunk in part: the rest of it is zero, as the format says
    stored[40:50, :2] = array[40:50, :2]  # chunks of some columns
    closed(file)
    pool = open_pool(path)
    rows = pool.read(0, N).array
    np.testing.assert_array_equal(rows[:20], array[:20])
    np.testing.assert_array_equal(rows[30:35], array[30:35])
    assert not rows[35:40].any()
    for gap in (slice(20, 30), slice(40, 50), slice(50, 60)):
        assert np.isnan(rows[gap]).all()
    np.testing.assert_array_equal(pool.gather(np.arange(N)).array, rows)
    assert "pool" in pool.fault(25)
    assert "row 25 was never written: its chunk is missing" in pool.fault(25)
    gaps = [*range(20, 30), *range(40, N)]
    batch = select(pool, rng.normal(size=N), 5, 2, exclude=gaps)
    assert not set(batch) & set(gaps)
    with pytest.raises(ValueError, match=r"row 25 was never written"):
        select(pool, np.ones(N), 5, 2, exclude=gaps[:5] + gaps[6:])


def test_each_chunk_is_decoded_once_in_a_pass_and_gather_decodes_what_it_needs(
    empty, array, monkeypatch
):
    monkeypatch.setattr(sliced_pool, "_BLOCK_BYTES", 2 * 10 * D * 4)
    stored, path, file = empty()
    stored[:] = array
    closed(file)
    asked = []
    for kind in (Hdf5Array, ZarrArray):
        decode = kind.rows
        monkeypatch.setattr(
            kind,
            "rows",
            lambda self, lo, hi, decode=decode: asked.append((lo, hi)) or decode(self, lo, hi),
        )
    pool = open_pool(path)
    for lo in range(0, N, 7):
        np.testing.assert_array_equal(pool.read(lo, lo + 7).array, array[lo : lo + 7])
    assert asked == [(0, 20), (20, 40), (40, 60)]
    asked.clear()
    indices = np.array([0, 3, 19, 25, 59])
    np.testing.assert_array_equal(pool.gather(indices).array, array[indices])
    assert asked == [(0, 20), (20, 30), (50, 60)]


def test_rows_too_wide_to_compute_on_are_refused_before_work(empty):
    _, path, file = empty("f4", (N, 1 << 31), (10, 2))
    closed(file)
    with pytest.raises(ValueError, match=r"holds 2147483648 values in a row, needs at most"):
        open_pool(path)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("packing", ["zstd", "gzip", "blosc", "none"])
def test_texts_of_zarr_that_say_they_are_others_are_refused(zarr_format, packing, zarr, tmp_path):
    numcodecs = pytest.importorskip("numcodecs", reason="needs numcodecs")
    texts, path = [f"text-{number}" for number in range(20)], tmp_path / "x.zarr"
    if zarr_format == 2:
        packed = None if packing == "none" else numcodecs.get_codec({"id": packing})
    else:
        names = {"zstd": "ZstdCodec", "gzip": "GzipCodec", "blosc": "BloscCodec"}
        packed = None if packing == "none" else getattr(zarr.codecs, names[packing])()
    options = {"chunks": (7,), "zarr_format": zarr_format, "compressors": packed}
    made = zarr.create_array(path, shape=(20,), dtype=str, **options)
    made[:] = np.array(texts, object)
    column = SlicedColumn(partial(ZarrArray, Location(str(path), unit=".zarr"), None, 1, {}))
    assert [text for part in column.parts() for text in part.to_pylist()] == texts
    chunk = path / ("1" if zarr_format == 2 else "c/1")
    codec = None if packing == "none" else numcodecs.get_codec({"id": packing})
    content = bytearray(chunk.read_bytes() if codec is None else codec.decode(chunk.read_bytes()))
    content[:4] = (1 << 30).to_bytes(4, "little")
    chunk.write_bytes(bytes(content) if codec is None else codec.encode(bytes(content)))
    column = SlicedColumn(partial(ZarrArray, Location(str(path), unit=".zarr"), None, 1, {}))
    with pytest.raises(
        ValueError, match=r"x\.zarr/(c/)?1: its texts: a chunk does not hold the 7 that"
    ):
        list(column.parts())


def test_chunks_that_are_far_larger_than_their_array_are_refused_before_work(empty):
    _, path, file = empty("f4", (N, D), (7, 1 << 22), maxshape=(None, None))
    closed(file)
    with pytest.raises(ValueError, match=r"chunks of 117440512 bytes, needs at most 67108864"):
        open_pool(path)


def test_chunks_too_large_to_decode_are_refused_before_work(empty):
    _, path, file = empty("f8", (1 << 20, 300), (1 << 19, 300))
    closed(file)
    with pytest.raises(ValueError, match=r"is stored in chunks of 1258291200 bytes, needs at most"):
        open_pool(path)


@pytest.mark.parametrize(
    ("dtype", "shape", "chunks"), [("c8", (N, D), (10, 2)), ("?", (N, D), (10, 2))]
)
def test_vectors_of_something_else(dtype, shape, chunks, empty):
    _, path, file = empty(dtype, shape, chunks)
    closed(file)
    with pytest.raises(TypeError, match=r"pool\..* must hold real numbers"):
        open_pool(path)


def test_an_array_of_another_rank(empty):
    _, path, file = empty("f4", (N,), (10,))
    closed(file)
    with pytest.raises(ValueError, match=r"pool\..*: need one row of .* got shape \(60,\)"):
        open_pool(path)


# HDF5


def test_the_only_matrix_is_found_among_others(h5py, array, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["scores"] = np.arange(N)
        file["a/b/emb"] = array
        file["images"] = np.zeros((3, 2, 2))
    np.testing.assert_array_equal(open_pool(tmp_path / "x.h5").read(0, N).array, array)
    np.testing.assert_array_equal(open_pool(f"{tmp_path}/x.h5:/a/b/emb").read(0, N).array, array)
    np.testing.assert_array_equal(read_column(tmp_path / "x.h5"), np.arange(N))
    with pytest.raises(ValueError, match=r"no key 'a'; it has .*'a/b/emb'.*'scores'"):
        open_pool(f"{tmp_path}/x.h5:a")


@pytest.mark.parametrize(
    "kind", ["virtual", "external file", "external link", "soft link", "compound", "objects"]
)
def test_what_is_not_read_from_hdf5(kind, h5py, array, tmp_path):
    path = tmp_path / "x.h5"
    (tmp_path / "raw").write_bytes(array.tobytes())
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["emb"] = array
    with h5py.File(path, "w") as file:
        if kind == "virtual":
            layout = h5py.VirtualLayout((N, D), "f4")
            layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "emb", (N, D))
            file.create_virtual_dataset("emb", layout)
        elif kind == "external file":
            file.create_dataset(
                "emb", (N, D), "f4", external=[(str(tmp_path / "raw"), 0, array.nbytes)]
            )
        elif kind == "external link":
            file["emb"] = h5py.ExternalLink("other.h5", "emb")
        elif kind == "soft link":
            file["emb"] = h5py.SoftLink("/other/emb")
            file["other"] = h5py.ExternalLink("other.h5", "/")
        elif kind == "compound":
            file["emb"] = np.zeros((N, D), [("a", "f4"), ("b", "f4")])
        else:
            file.create_dataset("emb", (N, D), h5py.vlen_dtype(np.float32))
    needed = {
        "virtual": "values lie in other files",
        "external file": "values lie in other files",
        "external link": r"no key 'emb'; it has none",
        "soft link": r"no key 'emb'; it has none",
        "compound": "must hold real numbers",
        "objects": "must hold numbers or texts; it holds objects",
    }
    with pytest.raises((ValueError, TypeError), match=rf"x\.h5: .*{needed[kind]}"):
        open_pool(f"{path}:emb")


def test_a_filter_that_is_not_there_is_named(h5py, array, tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings.set_chunk((10, D))
        settings.set_filter(32015, h5py.h5z.FLAG_OPTIONAL)
        space = h5py.h5s.create_simple((N, D))
        h5py.h5d.create(file.id, b"emb", h5py.h5t.IEEE_F32LE, space, settings)
    with pytest.raises(ValueError, match=r"x\.h5: .*compressed by filter 32015 .*hdf5plugin"):
        open_pool(path)


def test_texts_of_hdf5(h5py, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["variable"] = ["a", "é", ""]
        file["fixed"] = np.array(["a", "é".encode(), b""], "S5")
        file["bad"] = np.array([b"\xff"] * 3)
        file["emb"] = np.eye(3)
    pool = open_pool(f"{tmp_path}/x.h5:emb")
    for name in ("variable", "fixed"):
        assert pool.column(name).take(np.arange(3)).to_pylist() == ["a", "é", ""]
    with pytest.raises(ValueError, match=r"x\.h5: key 'bad' holds texts that are not UTF-8"):
        pool.column("bad").take(np.arange(3))


def test_a_column_that_was_written_in_part_is_refused(h5py, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["emb"] = np.eye(30)
        file.create_dataset("score", (30,), "f4", chunks=(10,))[:20] = 1
        file.create_dataset("none", (30,), "f4")
        file.create_dataset("endless", (1 << 50,), "f4", chunks=(10,))[:20] = 1
    pool = open_pool(tmp_path / "x.h5")
    for name, row in (("score", 20), ("none", 0)):
        with pytest.raises(ValueError, match=rf"x\.h5: key '{name}': row {row} was never written"):
            pool.column(name).numbers()
    with pytest.raises(ValueError, match="key 'endless': row 20 was never written"):
        read_column(f"{tmp_path}/x.h5:endless")
    with pytest.raises(ValueError, match="key 'endless': holds 1125899906842624 rows, needs 30"):
        pool.column("endless").take(np.arange(3))


def test_a_file_that_is_being_read_can_be_opened_by_other_readers(h5py, array, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["emb"] = array
    pool = open_pool(tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5", "r") as file:
        np.testing.assert_array_equal(file["emb"][:], pool.read(0, N).array)


WRITER = """
import h5py, sys
with h5py.File(sys.argv[1], "w") as file:
    file["emb"] = [[1.0, 2.0]]
    file.flush()
    print("open", flush=True)
    sys.stdin.read()
"""


def test_a_file_that_another_process_writes_is_refused_by_name(h5py, tmp_path):
    path = tmp_path / "x.h5"
    command = [sys.executable, "-c", WRITER, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True) as writer:
        assert writer.stdout.readline() == "open\n"
        with pytest.raises(ValueError, match=r"x\.h5: .*another process is writing it"):
            open_pool(path)
        writer.stdin.close()
        writer.wait()
    assert open_pool(path).n == 1


# Zarr


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_one_array_is_a_pool(zarr_format, zarr, array, tmp_path):
    for name in ("a.zarr", "b"):  # the folder's content tells, not its name
        zarr.create_array(tmp_path / name, data=array, chunks=(10, 2), zarr_format=zarr_format)
    for source in (tmp_path / "a.zarr", tmp_path / "b", [tmp_path / "b"], f"{tmp_path}/a*"):
        np.testing.assert_array_equal(open_pool(source).read(0, N).array, array)
    both = open_pool(tmp_path)
    np.testing.assert_array_equal(both.read(0, 2 * N).array, np.concatenate([array, array]))
    with pytest.raises(ValueError, match=r"a\.zarr: is one array, without keys; got 'emb'"):
        open_pool(f"{tmp_path}/a.zarr:emb")


def test_nested_groups(zarr, array, tmp_path):
    group = zarr.open_group(tmp_path / "x.zarr", mode="w")
    group.create_array("a/b/emb", data=array)
    group.create_array("score", data=np.arange(N))
    np.testing.assert_array_equal(open_pool(tmp_path / "x.zarr").read(0, N).array, array)
    pool = open_pool(f"{tmp_path}/x.zarr:a/b/emb")
    np.testing.assert_array_equal(pool.column("score").numbers(), np.arange(N))
    with pytest.raises(ValueError, match=r"no key 'emb'; it has 'a/b/emb', 'score'"):
        open_pool(f"{tmp_path}/x.zarr:emb")


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


@pytest.mark.parametrize("place", ["filters", "compressor", "format 3"])
def test_pickled_values_are_refused_before_they_are_loaded(place, zarr, tmp_path):
    numcodecs = pytest.importorskip("numcodecs", reason="needs numcodecs")
    folder = tmp_path / "x.zarr"
    values = np.empty(1, object)
    values[0] = Bomb()
    codec = {"id": "pickle", "protocol": 5}
    folder.mkdir()
    (folder / "0").write_bytes(numcodecs.Pickle().encode(values))
    if place == "format 3":
        stored = zarr.create_array(folder, shape=(1,), dtype="f4", overwrite=True)
        path = folder / "zarr.json"
        found = json.loads(path.read_text())
        found["codecs"].append({"name": "numcodecs.pickle", "configuration": {}})
        path.write_text(json.dumps(found))
        assert stored is not None
    else:
        found = {"shape": [1], "chunks": [1], "dtype": "|O", "fill_value": "gAVLAS4=", "order": "C"}
        found |= {"zarr_format": 2, "filters": [codec], "compressor": None}
        if place == "compressor":
            found |= {"filters": None, "compressor": codec}
        (folder / ".zarray").write_text(json.dumps(found))
    with pytest.raises(ValueError, match=r"x\.zarr.*: its values are pickled"):
        read_column(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [60]},
        {"shape": [-60, 4]},
        {"shape": "60"},
        {"shape": [60.0, 4]},
        {"chunk_grid": {"name": "rectilinear"}},
        {"chunk_grid": None},
        {"codecs": 5},
        {"chunk_key_encoding": {"name": "default", "configuration": {"separator": "../"}}},
    ],
    ids=str,
)
def test_metadata_that_lies_is_refused_by_name(change, zarr, array, tmp_path):
    zarr.create_array(tmp_path / "x.zarr", data=array)
    path = tmp_path / "x.zarr/zarr.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=r"x\.zarr"):
        open_pool(tmp_path / "x.zarr")


@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("codec", ["BytesCodec", "ZstdCodec", "BloscCodec"])
@pytest.mark.parametrize("place", ["end", "start"])
def test_a_shard_cut_anywhere_is_refused_by_name(
    place, codec, checksum, zarr, array, tmp_path, monkeypatch
):
    monkeypatch.setattr(sliced_pool, "_BLOCK_BYTES", 1)  # chunks are read one by one
    codecs, folder = zarr.codecs, tmp_path / "x.zarr"
    packed = [] if codec == "BytesCodec" else [getattr(codecs, codec)()]
    inner = [codecs.BytesCodec(), *packed, *[codecs.Crc32cCodec()] * checksum]
    sharding = codecs.ShardingCodec(chunk_shape=(5, 4), codecs=inner, index_location=place)
    options = {"shape": (N, D), "chunks": (30, 4), "dtype": "f4", "codecs": [sharding]}
    zarr.create(store=folder, **options)[:] = array
    np.testing.assert_array_equal(open_pool(folder).read(0, N).array, array)
    path = folder / "c/1/0"
    content = path.read_bytes()
    for length in (0, 1, *range(2, len(content), 7), len(content) - 1):
        path.write_bytes(content[:length])
        pool = open_pool(folder)
        with pytest.raises(ValueError, match=r"x\.zarr.*"):
            pool.read(30, N)


def test_zarr_over_fsspec(zarr, array, tmp_path):
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec")
    zarr.create_array(tmp_path / "a/x.zarr", data=array, chunks=(10, 2))
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "a"), "/formats", recursive=True)
    for url in ("memory://formats/x.zarr", "memory://formats", "memory://formats/*.zarr"):
        np.testing.assert_array_equal(open_pool(url).read(0, N).array, array)
    assert open_pool("memory://formats").fingerprint().shards[0][1] == N


def test_hdf5_over_fsspec(h5py, array, tmp_path):
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["emb"] = array
    fsspec.filesystem("memory").put(str(tmp_path / "x.h5"), "/h/x.h5")
    np.testing.assert_array_equal(open_pool("memory://h/x.h5:emb").read(0, N).array, array)
