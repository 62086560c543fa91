"""Any array in, the caller's kind of array out."""

import numpy as np
import pytest
from cases import DTYPES, LAYOUTS, lay_out

from ally_fast.arrays import as_array, beyond_float64, family_of, to_family


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids="dtype={}".format)
def test_numpy_arrays_are_viewed_not_copied(dtype, layout, rng):
    array = lay_out(rng.normal(size=(6, 5)).astype(dtype), layout)
    view = as_array(array, "x", ndim=2)
    assert np.shares_memory(view.array, array)
    assert view.array.strides == array.strides
    assert view.dtype_name == dtype
    assert not view.bf16


def test_memory_maps_are_viewed(tmp_path, rng):
    np.save(tmp_path / "x.npy", rng.normal(size=(6, 5)))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert np.shares_memory(as_array(mapped, "x").array, mapped)


def test_lists_become_arrays():
    assert as_array([[1, 2], [3, 4]], "x").array.tolist() == [[1, 2], [3, 4]]


def test_read_only_arrays_are_welcome():
    array = np.zeros((2, 2))
    array.setflags(write=False)
    assert np.shares_memory(as_array(array, "x").array, array)


@pytest.mark.parametrize(
    "bad",
    [None, "text", object(), np.array(["a"]), np.array([1j]), np.array([None]), {"a": 1}],
    ids=["None", "text", "object", "strings", "complex", "objects", "dict"],
)
def test_not_numeric_is_a_type_error(bad):
    with pytest.raises(TypeError, match="rows"):
        as_array(bad, "rows")


def test_bool_only_where_allowed():
    mask = np.array([True, False])
    assert as_array(mask, "exclude", allow_bool=True).array.dtype == bool
    with pytest.raises(TypeError, match=r"rows.*bool"):
        as_array(mask, "rows")


def test_wrong_rank():
    with pytest.raises(ValueError, match=r"rows.*2.*\(3,\)"):
        as_array(np.zeros(3), "rows", ndim=2)


def test_ragged():
    with pytest.raises(ValueError, match="rows"):
        as_array([[1.0], [1.0, 2.0]], "rows")


def test_masked_arrays_are_refused():
    with pytest.raises(TypeError, match=r"rows.*masked"):
        as_array(np.ma.masked_array([1.0, 2.0], [True, False]), "rows")


def column(*items):
    """Return an array of objects, as a column of pandas is."""
    array = np.empty(len(items), object)
    array[:] = items
    return array


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (column(np.ones(2), np.ones(2)), r"np\.stack\(column\)"),
        (column([1.0], [2.0]), r"np\.stack\(column\)"),
        (column(1.0, None, 2.0), "a null at place 1"),
        (column(1.0, "2"), "str.* at place 1"),
        (column(1.0, 2**70), "needs a dtype of numbers"),
        ({1, 2}, "got set, needs an array or a list"),
        (iter([1]), "got list_iterator, needs an array or a list"),
        ((x for x in [1]), "got generator, needs an array or a list"),
        ([0.5, None], "a null at place 1"),
    ],
    ids=["vectors", "lists", "null", "text", "bits", "set", "iterator", "generator", "list"],
)
def test_objects_are_refused_with_what_to_do(bad, message):
    with pytest.raises(TypeError, match=f"rows.*{message}"):
        as_array(bad, "rows")


def test_lists_of_arrays_become_arrays():
    torch = pytest.importorskip("torch")
    expected = np.arange(6.0).reshape(3, 2)
    for rows in (list(expected), [torch.tensor(row) for row in expected]):
        np.testing.assert_array_equal(as_array(rows, "rows", ndim=2).array, expected)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_integers_that_float64_cannot_hold(dtype):
    ends = np.iinfo(dtype)
    near = [2**53 - 1, 2**53, 2**53 + 1, 2**53 + 2, 2**60, 2**60 + 1, ends.max, ends.max // 2 + 1]
    values = np.array([ends.min, 0, *near], dtype)
    lost = [int(float(value)) != value for value in values.tolist()]
    assert beyond_float64(values).tolist() == lost
    assert not beyond_float64(values[:4]).any()
    assert not beyond_float64(values.astype(np.float64)).any()


class ByDlpackAlone:
    """An array of which nothing is known but what the protocol asks for."""

    def __init__(self, array):
        self._array = array

    def __dlpack_device__(self):
        return 1, 0

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)


def test_dlpack_without_a_dtype():
    array = np.arange(6.0).reshape(2, 3)
    assert np.shares_memory(as_array(ByDlpackAlone(array), "x", ndim=2).array, array)


class OnAnotherDevice:
    """An array in the memory of a GPU, as far as DLPack tells."""

    dtype = np.dtype(np.float32)

    def __dlpack_device__(self):
        return 2, 0

    def __dlpack__(self, **options):
        raise AssertionError("not to be touched")


def test_memory_of_another_device_is_not_copied_silently():
    with pytest.raises(ValueError, match=r"rows.*cuda:0"):
        as_array(OnAnotherDevice(), "rows")


@pytest.mark.parametrize(
    "x", [np.zeros(2), [1.0, 2.0], np.float32(1)], ids=["array", "list", "scalar"]
)
def test_numpy_family(x):
    answer = np.arange(3)
    assert to_family(answer, family_of(x)) is answer


def test_bfloat16_of_ml_dtypes():
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="needs ml_dtypes")
    array = np.array([[1.0, -2.5]]).astype(ml_dtypes.bfloat16)
    view = as_array(array, "x")
    assert view.bf16
    assert view.dtype_name == "bfloat16"
    assert view.array.dtype == np.uint16
    assert np.shares_memory(view.array, array)
    assert view.array.tolist() == [[0x3F80, 0xC020]]
    assert view.numbers().tolist() == [[1.0, -2.5]]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int64"])
def test_torch_tensors_are_viewed(dtype):
    torch = pytest.importorskip("torch", reason="needs torch")
    tensor = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype)).T
    view = as_array(tensor, "x", ndim=2)
    assert view.dtype_name == dtype
    assert view.bf16 == (dtype == "bfloat16")
    assert view.array.ctypes.data == tensor.data_ptr()
    assert view.array.shape == (3, 2)
    answer = to_family(np.arange(3), family_of(tensor))
    assert isinstance(answer, torch.Tensor)
    assert answer.tolist() == [0, 1, 2]


def test_torch_tensors_of_no_numbers():
    torch = pytest.importorskip("torch", reason="needs torch")
    with pytest.raises(TypeError, match="rows"):
        as_array(torch.zeros(3, dtype=torch.complex64), "rows")
    with pytest.raises(TypeError, match="rows"):
        as_array(torch.eye(3).to_sparse(), "rows")
