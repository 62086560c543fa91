"""Arrow IPC files that nobody vouches for."""

import numpy as np
import pytest
from reader_forms import write_arrow

from ally_fast.pools import open_pool
from ally_fast.pools.arrow_file import ArrowFile
from ally_fast.pools.open_pool import open_column

pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
ipc = pytest.importorskip("pyarrow.ipc", reason="needs pyarrow")

N, D = 40, 3
KINDS = ("file", "stream")


@pytest.fixture
def array(rng):
    return rng.normal(size=(N, D)).astype(np.float32)


def write_table(path, table, kind, rows):
    with getattr(ipc, f"new_{kind}")(str(path), table.schema) as file:
        file.write_table(table, max_chunksize=rows)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_a_single_batch_lie_in_the_file(kind, array, tmp_path):
    write_arrow(kind, fixed=True, group=None)(tmp_path / "x.arrow", array, {})
    before = pa.total_allocated_bytes()
    rows = open_pool(tmp_path / "x.arrow").read(0, N).array
    np.testing.assert_array_equal(rows, array)
    assert not rows.flags.owndata
    assert pa.total_allocated_bytes() == before


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("kind", KINDS)
def test_gather_decodes_only_the_record_batches_it_needs(
    kind, compression, array, tmp_path, monkeypatch
):
    write_arrow(kind, compression)(tmp_path / "x.arrow", array, {})
    pool = open_pool(tmp_path / "x.arrow")
    asked = []
    decode = ArrowFile._record_batch
    monkeypatch.setattr(
        ArrowFile,
        "_record_batch",
        lambda self, column, group: asked.append(group) or decode(self, column, group),
    )
    np.testing.assert_array_equal(pool.gather(np.array([8, 13, 29])).array, array[[8, 13, 29]])
    assert asked == [1, 4]


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_with_a_dictionary_beside_the_vectors(kind, array, tmp_path):
    label = pa.array(["cat", "dog", None, "cat"] * 10).dictionary_encode()
    rows = pa.FixedSizeListArray.from_arrays(array.ravel(), D)
    write_table(tmp_path / "x.arrow", pa.table({"label": label, "row": rows}), kind, rows=7)
    pool = open_pool(tmp_path / "x.arrow")
    np.testing.assert_array_equal(pool.read(0, N).array, array)
    taken = pool.column("label").take(np.array([0, 1, 2, 39])).to_pylist()
    assert taken == ["cat", "dog", None, "cat"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_dictionary_that_grows_between_record_batches(kind, tmp_path):
    batches = [
        pa.record_batch({"label": pa.array(values).dictionary_encode()})
        for values in (["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"])
    ]
    options = ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    with getattr(ipc, f"new_{kind}")(
        str(tmp_path / "x.arrow"), batches[0].schema, options=options
    ) as file:
        for batch in batches:
            file.write_batch(batch)
    column = open_column(f"{tmp_path}/x.arrow:label")
    read = [value for part in column.parts() for value in part.to_pylist()]
    assert read == ["a", "b", "a", "b", "c", "a", "b", "c", "d"]


def test_a_stream_without_its_end_mark_was_cut_off(array, tmp_path):
    path = tmp_path / "x.arrow"
    write_arrow("stream")(path, array, {})
    content = path.read_bytes()
    path.write_bytes(content[:-8])
    with pytest.raises(ValueError, match=r"x\.arrow: .*has no end mark: it was cut off"):
        open_pool(path)
    path.write_bytes(content + content)
    with pytest.raises(ValueError, match=r"x\.arrow: .*goes on for \d+ bytes after its end mark"):
        open_pool(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"ARROW1\0\0", b"ARROW1\0\0" + b"\xff" * 64])
def test_something_else(content, tmp_path):
    (tmp_path / "x.arrow").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.arrow: not a readable Arrow file: "):
        open_pool(tmp_path / "x.arrow")


@pytest.mark.parametrize("kind", KINDS)
def test_offsets_that_point_beyond_the_values(kind, array, tmp_path):
    path = tmp_path / "x.arrow"
    write_arrow(kind, group=None)(path, array, {})
    offsets = (np.arange(N + 1, dtype=np.int32) * D).tobytes()
    content = path.read_bytes()
    assert content.count(offsets) == 1
    wrong = np.frombuffer(offsets, np.int32).copy()
    wrong[20:] += 1 << 20
    path.write_bytes(content.replace(offsets, wrong.tobytes()))
    with pytest.raises(ValueError, match=r"x\.arrow: column 'emb': record batch 0: "):
        open_pool(path).read(0, N)


def test_vectors_that_lie_at_odd_places_are_aligned(array, tmp_path, monkeypatch):
    write_arrow("stream", fixed=True, group=None)(tmp_path / "x.arrow", array, {})

    def shifted(self, message):
        return pa.py_buffer(b"x" + self._bytes(message.start, message.end)).slice(1)

    monkeypatch.setattr(ArrowFile, "_buffer", shifted)
    rows = open_pool(tmp_path / "x.arrow").read(0, N).array
    assert rows.flags.aligned
    np.testing.assert_array_equal(rows, array)


def test_a_file_over_fsspec(array, tmp_path):
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec")
    for kind in KINDS:
        write_arrow(kind, "zstd")(tmp_path / "x.arrow", array, {})
        fsspec.filesystem("memory").put(str(tmp_path / "x.arrow"), f"/arrow/{kind}.arrow")
        pool = open_pool(f"memory://arrow/{kind}.arrow:emb")
        np.testing.assert_array_equal(pool.read(0, N).array, array)
