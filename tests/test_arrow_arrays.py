"""Arrow arrays are viewed as NumPy arrays."""

import numpy as np
import pytest

from ally_fast.arrays import as_array

arrow = pytest.importorskip("pyarrow")

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)
FLAT = arrow.array(ROWS.ravel())
FIXED = arrow.FixedSizeListArray.from_arrays(FLAT, 3)
LISTS = arrow.ListArray.from_arrays([0, 3, 6, 9, 12], FLAT)
MATRICES = {
    "fixed": FIXED,
    "lists": LISTS,
    "large lists": LISTS.cast(arrow.large_list(arrow.float32())),
    "tensors": arrow.FixedShapeTensorArray.from_numpy_ndarray(ROWS),
    "one chunk": arrow.chunked_array([FIXED]),
    "chunks": arrow.chunked_array([FIXED[:1], FIXED[:0], FIXED[1:]]),
    "part": arrow.concat_arrays([LISTS[:2], LISTS])[2:],
    "table": arrow.table(list(ROWS.T), names=["a", "b", "c"]),
    "tensor": arrow.Tensor.from_numpy(ROWS),
}


@pytest.mark.parametrize("kind", MATRICES)
def test_rows(kind):
    view = as_array(MATRICES[kind], "rows", ndim=2)
    assert view.dtype_name == "float32"
    np.testing.assert_array_equal(view.array, ROWS)


@pytest.mark.parametrize("kind", ["fixed", "lists", "one chunk"])
def test_rows_are_not_copied(kind):
    assert np.shares_memory(as_array(MATRICES[kind], "rows").array, FLAT.to_numpy())


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "int8", "uint16", "int64", "uint64"]
)
def test_numbers_are_not_copied(dtype):
    values = np.arange(5).astype(dtype)
    for array in (arrow.array(values), arrow.chunked_array([values])):
        view = as_array(array, "scores", ndim=1)
        assert view.dtype_name == dtype
        np.testing.assert_array_equal(view.array, values)
    assert np.shares_memory(as_array(arrow.array(values), "scores").array, values)


def test_booleans_only_where_allowed():
    mask = arrow.array([True, False, True])[1:]
    assert as_array(mask, "exclude", allow_bool=True).array.tolist() == [False, True]
    with pytest.raises(TypeError, match=r"scores.*bool"):
        as_array(mask, "scores")


@pytest.mark.parametrize(
    "array",
    [
        arrow.array([None, [1.0, 2.0]], arrow.list_(arrow.float64(), 2)),
        arrow.array([None, [1.0, 2.0]], arrow.list_(arrow.float64())),
        arrow.array([[5.0, 6.0], None, [1.0, 2.0]], arrow.list_(arrow.float64(), 2))[1:],
        arrow.array([[None, None], [1.0, 2.0]]),
        arrow.chunked_array([[None], [[1.0, 2.0]]], arrow.list_(arrow.float64(), 2)),
    ],
    ids=["fixed", "lists", "part", "items", "chunks"],
)
def test_a_null_is_nan(array):
    np.testing.assert_array_equal(as_array(array, "rows").array, [[np.nan, np.nan], [1, 2]])


def test_a_null_number_is_nan():
    np.testing.assert_array_equal(as_array(arrow.array([1.0, None]), "s").array, [1, np.nan])
    np.testing.assert_array_equal(as_array(arrow.array([1, None]), "s").array, [1, np.nan])


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (arrow.array([True, None]), ValueError, "place 1 is null"),
        (arrow.array([1, None, 2**53 + 1]), ValueError, "place 2"),
        (arrow.array([[True, False]]), TypeError, r"list<[^>]*bool>"),
        (arrow.array([b"ab"]), TypeError, "Arrow binary"),
        (arrow.array(["a"]), TypeError, "Arrow string"),
        (arrow.array([None]), TypeError, "Arrow null"),
        (arrow.array([1]).dictionary_encode(), TypeError, "Arrow dictionary"),
        (arrow.array([{"a" * 500: 1}]), TypeError, "Arrow struct"),
        (arrow.array([1], arrow.timestamp("s")), TypeError, "Arrow timestamp"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_array_of_numbers(array, error, message):
    with pytest.raises(error, match=f"rows.*{message}") as raised:
        as_array(array, "rows", allow_bool=True)
    assert len(str(raised.value)) <= 300


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (
            arrow.array([[1.0, 2.0], [3.0], None, []]),
            [[1, 2], [np.nan] * 2, [np.nan] * 2, [np.nan] * 2],
        ),
        (arrow.array([[1.0], [1.0, 2.0], [3.0]]), [[1], [np.nan], [3]]),
        (arrow.chunked_array([[[1.0]], [[1.0, 2.0]], [[3.0]]]), [[1], [np.nan], [3]]),
        (
            arrow.array([[[1.0, 2.0]], [[1.0, 2.0]] * 2, [None]]),
            [[1, 2], [np.nan] * 2, [np.nan] * 2],
        ),
    ],
)
def test_a_row_of_another_length_is_nan(array, expected):
    np.testing.assert_array_equal(as_array(array, "rows", ndim=2).array, expected)


@pytest.mark.parametrize(("stored", "read"), [("int8", "float32"), ("int64", "float64")])
def test_integers_stay_what_they_are_unless_a_row_is_missing(stored, read):
    kind = arrow.list_(arrow.from_numpy_dtype(np.dtype(stored)))
    assert as_array(arrow.array([[1, 2], [3, 4]], kind), "rows").array.dtype == stored
    array = as_array(arrow.array([[1, 2], None, [3, None]], kind), "rows").array
    np.testing.assert_array_equal(
        array, np.array([[1, 2], [np.nan] * 2, [3, np.nan]], read), strict=True
    )


def test_tensors_whose_axes_are_stored_in_another_order():
    values = np.arange(24.0).reshape(4, 3, 2)
    tensors = arrow.FixedShapeTensorArray.from_numpy_ndarray(values.transpose(0, 2, 1))
    assert tensors.type.permutation == [1, 0]
    np.testing.assert_array_equal(as_array(tensors, "rows").array, values.transpose(0, 2, 1))


@pytest.mark.parametrize("ndim", [2, 3, None])
def test_matrices_of_one_row_are_vectors_where_those_are_needed(ndim):
    shape = (4, 3) if ndim == 2 else (4, 1, 3)
    for array in (
        arrow.FixedShapeTensorArray.from_numpy_ndarray(ROWS[:, None]),
        arrow.array([[row] for row in ROWS.tolist()], arrow.list_(arrow.list_(arrow.float32()))),
    ):
        np.testing.assert_array_equal(as_array(array, "rows", ndim=ndim).array, ROWS.reshape(shape))


@pytest.mark.parametrize("array", [FIXED[:0], arrow.chunked_array([], FIXED.type)])
def test_nothing_to_read(array):
    assert as_array(array, "rows", ndim=2).array.shape == (0, 3)


def test_rows_of_matrices_have_the_wrong_rank():
    tensors = arrow.FixedShapeTensorArray.from_numpy_ndarray(np.ones((4, 2, 3)))
    with pytest.raises(ValueError, match=r"rows must be 2-dimensional; got shape \(4, 2, 3\)"):
        as_array(tensors, "rows", ndim=2)
