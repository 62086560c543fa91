"""Tensors in .safetensors files: as declared, or refused before anything is read."""

import json
import struct
import sys

import numpy as np
import pytest

from ally_fast import select
from ally_fast.pools import open_pool, read_column

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


DATA = ROWS.tobytes()


def content(header, data=DATA):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype="F32", shape=(4, 3), offsets=(0, 48)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def written(tmp_path, header, data=DATA):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content(header, data))
    return path


def test_rows_lie_in_the_file(tmp_path):
    # The header's length puts them at an odd place, from which they are copied.
    for padding in range(8):
        header = json.dumps({"__metadata__": {"by": "hand"}, "emb": entry()}).encode()
        path = written(tmp_path, header + b" " * padding)
        pool = open_pool(path)
        np.testing.assert_array_equal(pool.read(0, 4).array, ROWS)
        np.testing.assert_array_equal(pool.gather(np.array([1, 3])).array, ROWS[[1, 3]])
        select(pool, np.arange(4.0), 2, 1)


def test_what_the_package_writes(tmp_path):
    package = pytest.importorskip("safetensors.numpy", reason="needs safetensors")
    tensors = {"emb": ROWS, "score": np.arange(4.0), "mask": np.array([True, False] * 2)}
    package.save_file(tensors, tmp_path / "x.safetensors", {"format": "np"})
    np.testing.assert_array_equal(open_pool(tmp_path / "x.safetensors").read(0, 4).array, ROWS)
    for name in ("score", "mask"):
        read = read_column(f"{tmp_path}/x.safetensors:{name}")
        assert read.dtype == tensors[name].dtype
        np.testing.assert_array_equal(read, tensors[name])


def test_bfloat16_without_ml_dtypes(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    bits = np.array([0x3F80, 0xC000, 0x0000, 0x4049], np.uint16)
    header = {"emb": entry("BF16", (4, 1), (0, 8)), "score": entry("BF16", (4,), (8, 16))}
    path = written(tmp_path, header, bits.tobytes() * 2)
    pool = open_pool(path)
    assert (pool.dtype_name, pool.itemsize) == ("bfloat16", 2)
    rows = pool.read(0, 4)
    assert rows.bf16
    np.testing.assert_array_equal(rows.array.ravel(), bits)
    assert read_column(f"{path}:score").tolist() == [1.0, -2.0, 0.0, 3.140625]
    taken = pool.column("score").take(np.array([1, 3])).to_pylist()
    assert taken == [-2.0, 3.140625]


HEADERS = {
    "no JSON": b"{nonsense",
    "a list": b"[]",
    "twice": b'{"emb": 1, "emb": 2}',
    "no entry": {"emb": 5},
    "a field is missing": {"emb": {"dtype": "F32", "shape": [4, 3]}},
    "a negative length": {"emb": entry(shape=(-4, -3))},
    "a float": {"emb": entry(shape=(4.0, 3))},
    "true": {"emb": entry(shape=(True, 12))},
    "a huge length": {"emb": entry(shape=(1 << 62, 0))},
    "too many values": {"emb": entry(shape=(4, 4))},
    "product beyond 64 bits": {"emb": entry(shape=(1 << 61, 1 << 61))},
    "offsets swapped": {"emb": entry(offsets=(48, 0))},
    "offsets beyond the end": {"emb": entry(shape=(8, 3), offsets=(0, 96))},
    "offsets in the header": {"emb": entry(offsets=(-8, 40))},
    "a gap": {"emb": entry(offsets=(4, 52))},
    "an overlap": {"emb": entry(), "more": entry(shape=(2, 3), offsets=(24, 48))},
    "not all is told": {"emb": entry(shape=(2, 3), offsets=(0, 24))},
    "another type": {"emb": entry("F8_E4M3", (48,))},
    "no type": {"emb": entry(None)},
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_that_lies(case, tmp_path):
    path = written(tmp_path, HEADERS[case])
    for read in (open_pool, read_column):
        with pytest.raises(ValueError, match=r"x\.safetensors: ") as caught:
            read(path)
        assert len(str(caught.value).replace(str(tmp_path), "")) <= 300


@pytest.mark.parametrize("length", [0, 7, 1 << 20, 1 << 63, (1 << 64) - 1])
def test_a_length_that_lies(length, tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", length)[: 7 if length == 7 else 8] + b"{}")
    with pytest.raises(ValueError, match=r"x\.safetensors: not a safetensors file: "):
        open_pool(path)


def test_tensors_of_several_shapes(tmp_path):
    header = {"a": entry(shape=(4, 1), offsets=(0, 16)), "b": entry(shape=(2, 4), offsets=(16, 48))}
    path = written(tmp_path, header)
    with pytest.raises(ValueError, match=r"name its key \(file:key\); it has 'a', 'b'"):
        open_pool(path)
    with pytest.raises(ValueError, match=r"key 'a': need one value per row, got shape \(4, 1\)"):
        read_column(f"{path}:a")
    header = {"emb": entry(), "empty": entry(shape=(0, 3), offsets=(48, 48))}
    assert open_pool(f"{written(tmp_path, header)}:empty").n == 0


def test_a_file_that_lies_elsewhere_is_refused(tmp_path):
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec")
    path = written(tmp_path, {"emb": entry()})
    fsspec.filesystem("memory").put(str(path), "/s/x.safetensors")
    with pytest.raises(ValueError, match=r"memory://.*x\.safetensors: .* from a disk only"):
        open_pool("memory://s/x.safetensors")
