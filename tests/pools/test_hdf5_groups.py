"""Groups of HDF5 files: checked before the library goes through them."""

import struct

import numpy as np
import pytest

from ally_fast.pools.hdf5_file import hdf5_keys
from ally_fast.pools.location import Location

h5py = pytest.importorskip("h5py", reason="needs h5py")


def keys(path):
    return hdf5_keys(Location(str(path)))


def flat(file):
    for number in range(3):
        file[f"emb{number}"] = np.eye(2)


def nested(file):
    file["a/b/c/emb"] = np.eye(2)
    file["a/score"] = [1.0]
    file.create_group("a/empty")


def wide(file):
    """Fill a tree of three levels."""
    for number in range(5000):
        file.create_dataset(f"group/a long name for the dataset {number}", (1,), "f4")


def thinned(file):
    wide(file)
    for number in range(0, 5000, 7):
        del file[f"group/a long name for the dataset {number}"]


def linked(file):
    nested(file)
    file["soft"] = h5py.SoftLink("/a/score")
    file["nowhere"] = h5py.SoftLink("/nothing")
    file["other"] = h5py.ExternalLink("other.h5", "/")
    file["again"] = file["a/score"]
    file["a/b/circle"] = file["a"]


def crowded(file):
    """Make a header that goes on elsewhere."""
    nested(file)
    for number in range(60):
        file["a"].attrs[f"attribute {number}"] = "text" * number


def ordered(file):
    file.create_group("a", track_order=True)["emb"] = np.eye(2)


@pytest.mark.parametrize(
    "options",
    [{}, {"userblock_size": 1024}, {"libver": "latest"}],
    ids=["old", "user block", "new"],
)
@pytest.mark.parametrize(
    "fill", [flat, nested, wide, thinned, linked, crowded, ordered, lambda file: None]
)
def test_whole_files_are_listed_as_the_library_does(fill, options, tmp_path):
    found = []
    with h5py.File(tmp_path / "x.h5", "w", **options) as file:
        fill(file)
    with h5py.File(tmp_path / "x.h5") as file:
        file.visititems(
            lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None
        )
    assert keys(tmp_path / "x.h5") == found


@pytest.mark.parametrize("widths", [(4, 4), (8, 2), (2, 8)])
def test_addresses_and_lengths_of_other_widths(widths, tmp_path):
    settings = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    settings.set_sizes(*widths)
    path = bytes(tmp_path / "x.h5")
    with h5py.File(h5py.h5f.create(path, h5py.h5f.ACC_TRUNC, fcpl=settings)) as file:
        linked(file)
    assert keys(tmp_path / "x.h5") == ["a/b/c/emb", "a/score"]


def spoiled(path, fill, signature, place, value, form="<Q"):
    """Write a file, and put a value so many bytes behind the first structure of a kind."""
    with h5py.File(path, "w") as file:
        fill(file)
    content = bytearray(path.read_bytes())
    start = content.index(signature)
    struct.pack_into(form, content, start + place, start if value == "itself" else value)
    path.write_bytes(content)


DAMAGE = {
    "its own neighbour": (b"TREE", 16, "itself", "holds no node of a group's tree"),
    "a neighbour elsewhere": (b"TREE", 16, 0, "holds no node of a group's tree"),
    "a child that is itself": (b"TREE", 32, "itself", "holds no names of a group"),
    "a child beyond the end": (b"TREE", 32, 1 << 60, "beyond the end"),
    "names beyond the end": (b"HEAP", 24, 1 << 40, "holds no heap of names"),
    "endless names": (b"HEAP", 8, (1 << 64) - 1, "holds no heap of names"),
    "more names than the file has": (b"HEAP", 8, 1 << 20, "holds no heap of names"),
    "free beyond the names": (b"HEAP", 16, 1 << 20, "never ends"),
    "no group": (b"SNOD", 0, 7, "holds no names of a group"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_groups_are_refused(damage, tmp_path):
    *where, message = DAMAGE[damage]
    spoiled(tmp_path / "x.h5", flat, *where)
    with pytest.raises(ValueError, match=rf"x\.h5: not a readable HDF5 file: damaged: .*{message}"):
        keys(tmp_path / "x.h5")


def test_a_list_of_what_is_free_that_goes_in_a_circle_is_refused(tmp_path):
    path = tmp_path / "x.h5"
    spoiled(path, flat, b"HEAP", 16, 8)  # the first free byte of the names
    content = bytearray(path.read_bytes())
    (names,) = struct.unpack_from("<Q", content, content.index(b"HEAP") + 24)
    struct.pack_into("<QQ", content, names + 8, 8, 16)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="never ends"):
        keys(path)


def test_a_leaf_that_stands_twice_in_a_tree_is_refused(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        for number in range(30):
            file[f"emb{number}"] = [1.0]
    content = bytearray(path.read_bytes())
    tree = content.index(b"TREE")
    content[tree + 48 : tree + 56] = content[tree + 32 : tree + 40]
    path.write_bytes(content)
    with pytest.raises(ValueError, match="has a leaf twice"):
        keys(path)


def test_a_header_that_goes_on_in_itself_is_refused(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        crowded(file)
        header = h5py.h5o.get_info(file["a"].id).addr
    content = bytearray(path.read_bytes())
    place = header + 16
    while struct.unpack_from("<H", content, place) != (0x10,):
        place += 8 + struct.unpack_from("<HH", content, place)[1]
    struct.pack_into("<Q", content, place + 8, header + 16)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="never ends"):
        keys(path)
