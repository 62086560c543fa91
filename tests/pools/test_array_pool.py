"""Rows of arrays, in a form the core computes on."""

import sys

import numpy as np
import pytest
from cases import DTYPES, LAYOUTS, OwnRows, lay_out

from ally_fast import select
from ally_fast.arrays import NUMPY
from ally_fast.pools import ArrayPool, Pool, as_pool

INDICES = np.array([0, 3, 3, 6])


def check(pool, expected, dtype):
    """Check every way to read a pool against the rows it must hold."""
    assert isinstance(pool, Pool)
    assert (pool.n, pool.d) == expected.shape
    for rows, wanted in [
        (pool.read(0, pool.n), expected),
        (pool.read(2, 5), expected[2:5]),
        (pool.read(4, 4), expected[4:4]),
        (pool.gather(INDICES), expected[INDICES]),
        (pool.gather(INDICES[:0]), expected[:0]),
    ]:
        assert rows.array.dtype == dtype
        assert rows.array.dtype.isnative
        assert rows.array.flags.aligned
        np.testing.assert_array_equal(rows.array, wanted)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids="dtype={}".format)
def test_floats_of_any_layout(dtype, layout, rng):
    array = lay_out(rng.normal(size=(7, 3)).astype(dtype), layout)
    pool = ArrayPool(array)
    check(pool, array, dtype)
    assert pool.dtype_name == dtype
    assert pool.itemsize == array.itemsize
    assert np.shares_memory(pool.read(2, 5).array, array)


@pytest.mark.parametrize("dtype", [">f2", ">f4", ">f8"])
def test_the_other_byte_order(dtype, rng):
    array = rng.normal(size=(7, 3)).astype(dtype)
    check(ArrayPool(array), array.astype(dtype.replace(">", "=")), dtype.replace(">", "="))


@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
def test_the_machine_byte_order_by_its_own_name(kind, rng):
    spelt_out = np.dtype(kind).newbyteorder("<" if sys.byteorder == "little" else ">")
    assert spelt_out.byteorder != "="  # as HDF5 and Zarr give it
    array = rng.normal(size=(7, 3)).astype(spelt_out)
    pool = ArrayPool(array)
    assert pool.read(0, 7).array.dtype.byteorder == "="
    assert np.shares_memory(pool.read(2, 5).array, array)
    scores = rng.normal(size=7)
    picked = select(array, scores, 3, 2)
    np.testing.assert_array_equal(picked, select(array.astype(kind), scores, 3, 2))


@pytest.mark.parametrize(
    ("dtype", "widened"),
    [
        *[(kind, "float32") for kind in ("int8", "uint8", "int16", "uint16", ">i2")],
        *[(kind, "float64") for kind in ("int32", "uint32", "int64", "uint64", ">i4")],
    ],
)
def test_integers_widen_exactly(dtype, widened):
    limits = np.iinfo(dtype)
    ends = [limits.min, limits.max] if limits.bits < 64 else [0, 2**53]
    array = np.array([ends] * 7, dtype=dtype)
    check(ArrayPool(array), array.astype(object).astype(float), widened)


def test_unaligned_rows_are_copied(rng):
    packed = np.zeros(7, dtype=[("flag", "u1"), ("row", "f4", 3)])
    packed["row"] = rng.normal(size=(7, 3))
    assert not packed["row"].flags.aligned
    check(ArrayPool(packed["row"]), packed["row"].copy(), "float32")


def test_a_memory_map_is_not_read_ahead(tmp_path, rng):
    array = rng.normal(size=(7, 3))
    np.save(tmp_path / "pool.npy", array)
    mapped = np.load(tmp_path / "pool.npy", mmap_mode="r")
    pool = ArrayPool(mapped)
    check(pool, array, "float64")
    assert np.shares_memory(pool.read(0, 7).array, mapped)


def test_bfloat16_travels_as_bits(rng):
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="needs ml_dtypes")
    array = rng.normal(size=(7, 3)).astype(ml_dtypes.bfloat16)
    pool = ArrayPool(array)
    check(pool, array.view(np.uint16), "uint16")
    assert pool.read(0, 7).bf16
    assert pool.gather(INDICES).bf16
    assert (pool.dtype_name, pool.itemsize) == ("bfloat16", 2)


def test_uint16_is_not_bfloat16():
    assert not ArrayPool(np.ones((2, 2), np.uint16)).read(0, 2).bf16


def test_lists_of_lists():
    assert ArrayPool([[1.5, 2], [3, 4]]).read(0, 2).array.tolist() == [[1.5, 2], [3, 4]]


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)], ids=str)
def test_nothing_to_read(shape):
    pool = ArrayPool(np.zeros(shape, np.float16))
    assert (pool.n, pool.d) == shape
    assert pool.read(0, shape[0]).array.shape == shape


@pytest.mark.parametrize("shape", [(), (3,), (3, 2, 2)], ids=str)
def test_the_wrong_rank(shape):
    with pytest.raises(ValueError, match=r"embeddings must be 2-dimensional; got shape"):
        ArrayPool(np.zeros(shape))


def test_rows_of_ones_own_become_a_pool():
    array = np.arange(14, dtype=np.float32).reshape(7, 2)
    pool = as_pool(OwnRows(array))
    assert not isinstance(OwnRows(array), Pool)
    check(pool, array, "float32")
    assert (pool.family, pool.device, pool.stream, pool.fault(0)) == (NUMPY, "cpu", None, None)
    pool.check()
    assert as_pool(pool) is pool
    assert isinstance(as_pool(array), ArrayPool)
