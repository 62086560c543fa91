"""Texts of variable length in HDF5: read without the library, which damaged heaps lead astray."""

import struct
from functools import partial

import numpy as np
import pytest

from ally_fast.pools import open_pool
from ally_fast.pools.hdf5_file import Hdf5Array
from ally_fast.pools.location import Location
from ally_fast.pools.sliced_column import SlicedColumn

h5py = pytest.importorskip("h5py", reason="needs h5py")

TEXTS = [*(f"image-{number}" for number in range(300)), "", "é" * 5000, "z"]
LAYOUTS = {
    "contiguous": {},
    "chunks": {"chunks": (7,)},
    "gzip": {"chunks": (7,), "compression": "gzip"},
    "gzip and shuffle": {"chunks": (7,), "compression": "gzip", "shuffle": True},
    "lzf": {"chunks": (7,), "compression": "lzf"},
    "endless": {"maxshape": (None,)},
}
every_layout = pytest.mark.parametrize("layout", LAYOUTS)


def write(path, layout="contiguous", texts=TEXTS, encoding="utf-8", **options):
    """Write texts, and numbers beside them."""
    with h5py.File(path, "w", **options) as file:
        kind = h5py.string_dtype(encoding)
        file.create_dataset("id", data=np.array(texts, object), dtype=kind, **LAYOUTS[layout])
        file["emb"] = np.zeros((len(texts), 2))


def read(path):
    """Return all texts, as a list."""
    column = SlicedColumn(partial(Hdf5Array, Location(str(path)), "id", 1))
    return [text for part in column.parts() for text in part.to_pylist()]


@every_layout
@pytest.mark.parametrize(
    "options", [{}, {"userblock_size": 512}, {"libver": "latest"}], ids=["old", "user block", "new"]
)
def test_texts_are_those_that_were_written(layout, options, tmp_path):
    write(tmp_path / "x.h5", layout, **options)
    array = Hdf5Array(Location(str(tmp_path / "x.h5")), "id", 1)
    for lo, hi in ((0, len(TEXTS)), (0, 0), (5, 16), (7, 14), (299, 303)):
        assert array.rows(lo, hi).tolist() == TEXTS[lo:hi]
    column = open_pool(f"{tmp_path}/x.h5:emb").column("id")
    assert [text for part in column.parts() for text in part.to_pylist()] == TEXTS
    assert column.take(np.array([0, 8, 8, 301])).to_pylist() == [TEXTS[i] for i in (0, 8, 8, 301)]


@pytest.mark.parametrize(("address_bytes", "length_bytes"), [(4, 4), (8, 2), (4, 8), (2, 2)])
def test_addresses_and_lengths_of_other_widths(address_bytes, length_bytes, tmp_path):
    settings = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    settings.set_sizes(address_bytes, length_bytes)
    made = h5py.h5f.create(bytes(tmp_path / "x.h5"), h5py.h5f.ACC_TRUNC, fcpl=settings)
    with h5py.File(made) as file:
        file["id"] = TEXTS
    assert read(tmp_path / "x.h5") == TEXTS


def test_a_text_ends_at_its_first_nul(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["id"] = ["abcdef", "b"]
    content = (tmp_path / "x.h5").read_bytes()
    (tmp_path / "x.h5").write_bytes(content.replace(b"abcdef", b"abc\0ef"))
    assert read(tmp_path / "x.h5") == ["abc", "b"]


def test_texts_that_are_not_of_their_encoding_are_refused(tmp_path):
    for encoding in ("ascii", "utf-8"):
        write(tmp_path / "x.h5", texts=[b"\xff"], encoding=encoding)
        with pytest.raises(ValueError, match=rf"x\.h5: key 'id': rows 0 to 1: '{encoding}' codec"):
            read(tmp_path / "x.h5")


def test_texts_in_the_header_are_refused(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings.set_layout(h5py.h5d.COMPACT)
        kind, space = h5py.h5t.py_create(h5py.string_dtype(), logical=True), (3,)
        space = h5py.h5s.create_simple(space)
        h5py.h5d.create(file.id, b"id", kind, space, settings)
    with pytest.raises(ValueError, match=r"x\.h5: key 'id': .*compact.*write it contiguous"):
        read(tmp_path / "x.h5")


def spoil(path, place, form, value):
    content = bytearray(path.read_bytes())
    struct.pack_into(form, content, place, value)
    path.write_bytes(content)


# Of "a" to "h" in one heap: a head of 16 bytes, objects of 16 and 8 bytes, then what is free.
HEAP_DAMAGE = {
    "signature": (0, "<I", 7, "holds no heap of texts"),
    "version": (4, "<B", 2, "holds no heap of texts"),
    "no size": (8, "<Q", 0, "holds no heap of texts"),
    "size beyond the file": (8, "<Q", 1 << 40, "is beyond the end"),
    "endless size": (8, "<Q", (1 << 64) - 1, "is beyond the end"),
    "object beyond the heap": (24, "<Q", 1 << 40, "beyond the heap"),
    "endless object": (24, "<Q", (1 << 64) - 1, "beyond the heap"),
    "longer object": (24, "<Q", 3, "holds no text 1"),
    "another index": (16, "<H", 99, "holds no text 1"),
    "free in the middle": (16, "<H", 0, "beyond the heap"),
    "free of no size": (16 + 8 * 24 + 8, "<Q", 0, "beyond the heap"),
    "free beyond the heap": (16 + 8 * 24 + 8, "<Q", 1 << 63, "beyond the heap"),
}


@pytest.mark.parametrize("damage", HEAP_DAMAGE)
def test_a_damaged_heap_is_refused(damage, tmp_path):
    path = tmp_path / "x.h5"
    write(path, texts=list("abcdefgh"))
    place, form, value, message = HEAP_DAMAGE[damage]
    spoil(path, path.read_bytes().index(b"GCOL") + place, form, value)
    with pytest.raises(ValueError, match=rf"x\.h5: key 'id': rows 0 to 8: damaged: .*{message}"):
        read(path)


REFERENCE_DAMAGE = {
    "length": (0, "<I", 5, "holds no text 8"),
    "endless length": (0, "<I", (1 << 32) - 1, "declares more texts"),
    "no heap": (4, "<Q", 0, "byte 0 holds no heap of texts"),
    "inside a heap": (4, "<B", 1, "holds no heap of texts"),
    "address beyond the file": (4, "<Q", (1 << 64) - 1, "is beyond the end"),
    "index": (12, "<I", 77, "holds no text 77"),
    "endless index": (12, "<I", (1 << 32) - 1, "holds no text 4294967295"),
}


@pytest.mark.parametrize("damage", REFERENCE_DAMAGE)
def test_a_damaged_reference_is_refused(damage, tmp_path):
    path = tmp_path / "x.h5"
    write(path, texts=list("abcdefgh"))
    with h5py.File(path) as file:
        start = file["id"].id.get_offset()
    place, form, value, message = REFERENCE_DAMAGE[damage]
    spoil(path, start + place, form, value)
    with pytest.raises(ValueError, match=rf"x\.h5: key 'id': rows 0 to 8: damaged: .*{message}"):
        read(path)


def test_references_that_name_one_text_over_and_over_are_refused(tmp_path):
    """A file of some kilobytes would else become gigabytes of texts."""
    path = tmp_path / "x.h5"
    write(path, texts=["é" * 9000, *["b"] * 100])
    with h5py.File(path) as file:
        start = file["id"].id.get_offset()
    content = bytearray(path.read_bytes())
    content[start : start + 16 * 101] = content[start : start + 16] * 101
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.h5: .*declares more texts than the file has"):
        read(path)


def test_heaps_that_overlap_are_refused(tmp_path):
    path = tmp_path / "x.h5"
    write(path, texts=["a" * 6000, "b"])
    with h5py.File(path) as file:
        start = file["id"].id.get_offset()
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL")
    content[heap + 1000 : heap + 1016] = content[heap : heap + 16]
    struct.pack_into("<Q", content, heap + 1008, 4096)
    struct.pack_into("<Q", content, start + 20, heap + 1000)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.h5: .*two heaps share byte"):
        read(path)


@pytest.mark.parametrize("layout", ["chunks", "gzip"])
def test_chunks_of_texts_that_were_never_written_are_named(layout, tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        made = file.create_dataset("id", (20,), h5py.string_dtype(), **LAYOUTS[layout])
        made[:7] = "a"
        made[15] = "b"
    array = Hdf5Array(Location(str(path)), "id", 1)
    assert array.rows(0, 7).tolist() == ["a"] * 7
    assert array.rows(14, 20).tolist() == ["", "b", *[""] * 4]
    with pytest.raises(ValueError, match=r"x\.h5: key 'id': row 7 was never written"):
        read(path)
