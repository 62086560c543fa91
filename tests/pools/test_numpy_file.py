"""Arrays in .npy and .npz files: as declared, or refused before anything is read."""

import io
import re
import struct
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest

from ally_fast.pools import open_pool, read_column
from ally_fast.pools.numpy_file import numpy_array

SCORES = np.arange(5) / 4


DATA = SCORES.tobytes()


def npy(header, data=DATA, version=1, length=None):
    """Return the bytes of a file with this header, padded as NumPy pads it."""
    text = header.encode("latin-1") + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", len(text) if length is None else length)
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + data


def plain(descr="'<f8'", order="False", shape="(5,)"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def saved(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def refusal(read, source, **options):
    with pytest.raises(ValueError, match=r"x\.np[yz]: ") as caught:
        read(source, **options)
    message = str(caught.value)
    assert len(message) <= 300
    assert message.count("x.np") == 1
    return re.split(r"x\.np[yz]: ", message)[1]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_versions_of_the_format(version, tmp_path):
    (tmp_path / "x.npy").write_bytes(npy(plain(), version=version))
    assert read_column(tmp_path / "x.npy").tolist() == SCORES.tolist()


@pytest.mark.parametrize(
    "header",
    [
        '{"descr":"<f8","fortran_order":False,"shape":(5,)}',
        "{'shape': (5L,), 'fortran_order': False, 'descr': '<f8'}",
        "{'descr': 'float64', 'fortran_order': True, 'shape': (5,), }                    ",
    ],
    ids=["other marks", "Python 2", "other names"],
)
def test_headers_of_other_writers(header, tmp_path):
    (tmp_path / "x.npy").write_bytes(npy(header))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, about Python 2
        wanted = np.load(tmp_path / "x.npy").tolist()
    assert read_column(tmp_path / "x.npy").tolist() == wanted == SCORES.tolist()


@pytest.mark.parametrize("dtype", ["?", "i1", "u2", ">i4", "u8", "f2", ">f4", "f8"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(5, 3), (5, 0), (0, 3)])
def test_arrays_come_back(dtype, order, shape, tmp_path):
    array = np.asarray(np.arange(np.prod(shape)).reshape(shape) % 2, dtype, order)
    np.save(tmp_path / "x.npy", array)
    np.savez_compressed(tmp_path / "x.npz", a=array)
    for name in ("x.npy", "x.npz"):
        read = numpy_array(str(tmp_path / name), None, ndim=2)
        assert read.dtype == array.dtype
        assert read.flags.f_contiguous == array.flags.f_contiguous
        np.testing.assert_array_equal(read, array)


NOT_ONE = "not a NumPy file of numbers: "
DESCRIBES_NONE = NOT_ONE + "its header describes no array"
HEADERS = {
    "an open bracket": (plain(shape="(5,")[:-1], DESCRIBES_NONE),
    "an open brace": (plain()[:-2], DESCRIBES_NONE),
    "many brackets": ("(" * 9_000, DESCRIBES_NONE),
    "a call": (plain(shape="__import__('os')"), DESCRIBES_NONE),
    "more entries": (plain()[:-1] + "'more': (), }", DESCRIBES_NONE),
    "fewer entries": ("{'descr': '<f8', 'shape': (5,)}", DESCRIBES_NONE),
    "no dictionary": ("5", DESCRIBES_NONE),
    "nothing": ("", DESCRIBES_NONE),
    "a number for a shape": (plain(shape="5"), DESCRIBES_NONE),
    "a number in brackets": (plain(shape="(5)"), DESCRIBES_NONE),
    "a negative length": (plain(shape="(-5,)"), DESCRIBES_NONE),
    "a fraction": (plain(shape="(5.0,)"), DESCRIBES_NONE),
    "a text for a truth": (plain(order="'False'"), DESCRIBES_NONE),
    "a number of digits": (plain(shape=f"({'9' * 5000},)"), DESCRIBES_NONE),
    "a length beyond int64": (plain(shape="(9223372036854775808,)"), "declares too many values"),
    "a product beyond int64": (plain(shape="(4294967296, 4294967296)"), "declares too many values"),
    "nothing times too much": (
        plain(shape="(0, 4294967296, 4294967296)"),
        "declares too many values",
    ),
    "more than there is": (plain(shape="(6,)"), "declares .* bytes and holds"),
    "less than there is": (plain(shape="(4,)"), "declares .* bytes and holds"),
    "objects": (plain("'|O'"), r"it holds '\|O', needs real numbers"),
    "complex": (plain("'<c16'"), "it holds '<c16', needs real numbers"),
    "long double": (plain("'<f16'"), "it holds '<f16', needs real numbers"),
    "times": (plain("'<M8[ns]'"), r"it holds '<M8\[ns\]', needs real numbers"),
    "texts": (plain("'<U5'"), "it holds '<U5', needs real numbers"),
    "records": (plain("[('a', '<f4'), ('b', '<f4')]"), DESCRIBES_NONE),
    "no type": (plain("'<x8'"), "it holds '<x8', needs real numbers"),
}


@pytest.mark.parametrize("case", HEADERS)
@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
@pytest.mark.parametrize("read", [open_pool, read_column])
def test_headers_refused(case, name, read, tmp_path):
    header, message = HEADERS[case]
    if name == "x.npy":
        (tmp_path / name).write_bytes(npy(header))
    else:
        zipped(tmp_path / name, {"a.npy": npy(header)})
    assert re.search(message, refusal(read, tmp_path / name))


START = {
    "no bytes": (b"", "it does not begin like an .npy"),
    "text": (b"1.5\n2.5\n0.5\n", "it does not begin like an .npy"),
    "another version": (npy(plain(), version=4), "it does not begin like an .npy"),
    "another part of the version": (
        b"\x93NUMPY\x01\x07" + npy(plain())[8:],
        "it does not begin like an .npy",
    ),
    "a huge header": (npy(plain(), version=2, length=2**32 - 1), "header of 4294967295 bytes"),
    "a cut header": (npy(plain(), b"", length=200), "declares 250 bytes"),
    "a cut length": (b"\x93NUMPY\x01\x00v", ""),
}


@pytest.mark.parametrize("case", START)
def test_starts_refused(case, tmp_path):
    content, message = START[case]
    (tmp_path / "x.npy").write_bytes(content)
    zipped(tmp_path / "x.npz", {"a.npy": content})
    for name in ("x.npy", "x.npz"):
        assert message in refusal(read_column, tmp_path / name)


def test_shapes(tmp_path):
    for name, array in {"one": SCORES, "none": np.array(1.5), "three": np.ones((2, 2, 2))}.items():
        np.save(tmp_path / "x.npy", array)
        message = refusal(open_pool, tmp_path / "x.npy")
        assert message == f"need one row of values per example, got shape {array.shape}"
        if name != "one":
            message = refusal(read_column, tmp_path / "x.npy")
            assert message == f"need one value per row, got shape {array.shape}"


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_rows_are_compared_with_what_is_declared(name, tmp_path):
    """A bomb is refused at its header: 1 GB of zeros in 1 MB."""
    source = tmp_path / name
    if name == "x.npy":
        with source.open("wb") as file:
            file.write(npy(plain(shape="(134217728,)"), b""))
            file.truncate(file.tell() + (1 << 30))  # takes no room on the disk
    else:
        with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
            with archive.open("a.npy", "w") as member:
                member.write(npy(plain(shape="(134217728,)"), b""))
                for _ in range(1 << 10):
                    member.write(bytes(1 << 20))
    tracemalloc.start()
    try:
        assert refusal(read_column, source, n=200) == "holds 134217728 rows, needs 200"
        message = refusal(read_column, source, most=200)
        assert message == "holds 134217728 rows, needs at most 200"
        assert refusal(open_pool, source).startswith("need one row of values per example")
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_member_is_read_no_further_than_declared(tmp_path):
    """The header says 5 rows, the archive has a gigabyte of them."""
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("a.npy", "w") as member:
            member.write(npy(plain(), b""))
            for _ in range(1 << 10):
                member.write(bytes(1 << 20))
    tracemalloc.start()
    try:
        message = refusal(read_column, tmp_path / "x.npz", n=5)
        assert re.search(r"declares \d+ bytes and holds 10737", message)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_members(tmp_path):
    good = saved(SCORES)
    zipped(tmp_path / "x.npz", {"a.npy": good, "read.me": b"hello", "b": good})
    source = tmp_path / "x.npz"
    assert read_column(source, "a").tolist() == read_column(source, "b").tolist() == SCORES.tolist()
    assert refusal(read_column, source, key="read.me") == NOT_ONE + "it does not begin like an .npy"
    message = "it has 'a', 'read.me', 'b'"
    assert refusal(read_column, source, key="c") == f"no key 'c'; {message}"
    assert refusal(read_column, source).endswith(message)
    zipped(source, {"a": good, "a.npy": good})
    assert refusal(read_column, source, key="a") == "2 of its arrays have the key 'a'"
    zipped(source, {})
    assert refusal(read_column, source, key="a") == "no key 'a'; it has none"


def test_archives_that_cannot_be_read(tmp_path):
    np.savez(tmp_path / "x.npz", a=SCORES)
    content = bytearray((tmp_path / "x.npz").read_bytes())
    broken = {
        "encrypted": (6, 1, "encrypted"),
        "compressed otherwise": (8, 99, ""),
        "a byte of the data": (200, 77, "CRC"),
    }
    directory = content.index(b"PK\x01\x02")
    for place, value, message in broken.values():
        other = content.copy()
        other[place] = value
        if place < 10:
            other[directory + place + 2] = value
        (tmp_path / "x.npz").write_bytes(other)
        text = refusal(read_column, tmp_path / "x.npz")
        assert text.startswith(NOT_ONE)
        assert message in text
    (tmp_path / "x.npz").write_bytes(saved(SCORES))
    assert refusal(read_column, tmp_path / "x.npz") == NOT_ONE + "it does not begin like an .npz"


@pytest.mark.parametrize("method", ["ZIP_STORED", "ZIP_DEFLATED", "ZIP_BZIP2", "ZIP_LZMA"])
def test_compressions(method, tmp_path):
    source = tmp_path / "x.npz"
    with zipfile.ZipFile(source, "w", getattr(zipfile, method)) as archive:
        archive.writestr("a.npy", saved(np.arange(2_000.0)))
    assert read_column(source).tolist() == list(range(2_000))
    content = source.read_bytes()
    for place in range(40, len(content), len(content) // 40):
        source.write_bytes(content[:place] + bytes([content[place] ^ 0x5A]) + content[place + 1 :])
        try:
            read = read_column(source).tolist()
        except ValueError as error:
            read = str(error).partition(": ")[0]
        assert read in (list(range(2_000)), str(source))


def test_more_than_fits_into_memory(tmp_path, monkeypatch):
    np.savez(tmp_path / "x.npz", a=SCORES)

    def fail(*arguments):
        raise MemoryError("Unable to allocate 4 TiB")

    monkeypatch.setattr(np, "empty", fail)
    with pytest.raises(MemoryError, match=r"x\.npz: Unable to allocate 4 TiB"):
        read_column(tmp_path / "x.npz")


def test_a_file_that_may_not_be_read_keeps_its_own_error(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", SCORES)

    def refuse(path, mode):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(PermissionError, match=r"x\.npy"):
        read_column(tmp_path / "x.npy")


@pytest.mark.parametrize("descr", ["'<V2'", "'|V2'", "'bfloat16'"])
def test_bfloat16_as_ml_dtypes_writes_it(descr, tmp_path):
    bits = np.array([0x3F80, 0xC000, 0x0000, 0x4049], np.uint16)
    (tmp_path / "x.npy").write_bytes(npy(plain(descr.ljust(11), shape="(2, 2)"), bits.tobytes()))
    pool = open_pool(tmp_path / "x.npy")
    assert (pool.dtype_name, pool.itemsize) == ("bfloat16", 2)
    rows = pool.read(0, 2)
    assert rows.bf16
    np.testing.assert_array_equal(rows.array.ravel(), bits)
    assert isinstance(rows.array.base.base, np.memmap)
    (tmp_path / "x.npy").write_bytes(npy(plain(descr, shape="(4,)"), bits.tobytes()))
    assert read_column(tmp_path / "x.npy").tolist() == [1.0, -2.0, 0.0, 3.140625]


def test_a_key_of_an_npy_file_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", SCORES)
    for read in (open_pool, read_column):
        with pytest.raises(ValueError, match=r"x\.npy: an \.npy file has no keys; got 'emb'"):
            read(f"{tmp_path}/x.npy:emb")
