"""Arrays of other libraries in device memory: taken as they are, in stream order."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cases import LAYOUTS, lay_out
from cuda_arrays import device_capsule

import ally_fast
from ally_fast.device_arrays import as_device_array, device_of

pytestmark = pytest.mark.gpu


class Interface:
    """An array that is known by ``__cuda_array_interface__`` alone."""

    def __init__(self, array, **changes):
        self.held = array
        self.__cuda_array_interface__ = array.__cuda_array_interface__ | changes


class Namespace:
    """An array library: its arrays remember where they are."""

    __name__ = "somelib"

    @staticmethod
    def asarray(array, device):
        return ("somelib", array, device)


class Exchanged(Interface):
    """An array of such a library."""

    device = "somelib:0"

    def __array_namespace__(self):
        return Namespace


def put(array, device=0):
    from ally_fast import _cuda

    return _cuda.DeviceArray.from_host(np.ascontiguousarray(array), _cuda.Stream(device))


@pytest.mark.parametrize("device", [0, pytest.param(1, marks=pytest.mark.devices(2))])
def test_where_an_array_is(device):
    assert device_of(put(np.ones((2, 2)), device)) == f"cuda:{device}"
    assert device_of(np.ones(3)) == "cpu"
    assert device_of([1.0, 2.0]) == "cpu"


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_no_copy(dtype):
    array = put(np.arange(6, dtype=dtype).reshape(2, 3))
    view = as_device_array(Interface(array), "x", ndim=2)
    assert view.array.pointer == array.pointer
    assert view.dtype_name == np.dtype(dtype).name
    np.testing.assert_array_equal(view.array.to_host(), array.to_host())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_strides(layout, rng):
    rows = lay_out(rng.normal(size=(9, 4)).astype(np.float32), layout)
    base = rows
    while isinstance(base.base, np.ndarray):
        base = base.base
    held = put(base.ravel(order="K"))
    offset = rows.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    given = Interface(
        held, data=(held.pointer + offset, False), shape=rows.shape, strides=rows.strides
    )
    np.testing.assert_array_equal(as_device_array(given, "x", ndim=2).array.to_host(), rows)


def test_work_queued_by_the_producer_is_waited_for():
    from ally_fast import _cuda

    stream = _cuda.Stream(0)
    array = _cuda.DeviceArray.empty((1000, 2), np.float32, stream)
    array.fill(0)  # queued on the producer's stream, not done
    view = as_device_array(Interface(array), "x", ndim=2)
    assert not view.array.to_host().any()


def test_the_answer_goes_back_to_the_library(rng):
    embeddings = rng.normal(size=(40, 3)).astype(np.float32)
    expected = ally_fast.select(embeddings, embeddings[:, 0], 5, 2)
    name, indices, device = ally_fast.select(Exchanged(put(embeddings)), embeddings[:, 0], 5, 2)
    assert (name, device) == ("somelib", "somelib:0")
    np.testing.assert_array_equal(indices, expected)


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.ones((2, 2), np.int64), TypeError, r"x on a GPU must hold float16.*got int64"),
        (np.ones(4, np.float32), ValueError, r"x must be 2-dimensional; got shape \(4,\)"),
    ],
    ids=["integers", "rank"],
)
def test_what_is_refused(array, error, message):
    with pytest.raises(error, match=message):
        as_device_array(put(array), "x", ndim=2)


@pytest.mark.parametrize("pageable", ["0", "1"], ids=["staged", "read by the device"])
def test_host_memory_may_be_changed_after_the_copy(pageable, monkeypatch):
    from ally_fast import _cuda

    monkeypatch.setenv("ALLY_FAST_EMULATED_PAGEABLE", pageable)
    source = np.arange(50_000.0)
    array = _cuda.DeviceArray.from_host(source, _cuda.Stream(0))
    source[:] = -1
    np.testing.assert_array_equal(array.to_host(), np.arange(50_000.0))


def test_a_device_without_memory_pools_is_refused_in_a_sentence():
    code = "import conftest; from ally_fast import _cuda; " + (
        "_cuda.DeviceArray.empty((3,), 'float32', _cuda.Stream(0))"
    )
    environment = {**os.environ, "ALLY_FAST_EMULATED_POOLS": "0"}
    environment["PYTHONPATH"] = os.pathsep.join([*sys.path, str(Path(__file__).parent)])
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    if "ALLY_FAST_EMULATED_CUDA" not in os.environ:
        assert done.returncode == 0  # this device has them
        return
    said = done.stderr.strip().splitlines()[-1]
    assert "cuda:0 has no memory pools (cudaMallocAsync)" in said
    assert len(said) < 300


class Jax(Interface):
    """As JAX has them: an interface of version 2, which knows no streams; DLPack does."""

    def __init__(self, array):
        super().__init__(array)
        del self.__cuda_array_interface__["stream"]
        self.__cuda_array_interface__["version"] = 2

    def __dlpack_device__(self):
        return 2, self.held.device

    def __dlpack__(self, *, stream):
        from ally_fast import _cuda

        consumer = _cuda.Stream.foreign(self.held.device, 0 if stream == 1 else stream)
        consumer.wait_for(self.held.stream)
        return device_capsule(self.held)


def test_a_producer_that_names_no_stream_is_asked_to_wait():
    from ally_fast import _cuda

    array = _cuda.DeviceArray.empty((1000, 2), np.float32, _cuda.Stream(0))
    array.fill(0)  # queued on the producer's stream, not done
    view = as_device_array(Jax(array), "x", ndim=2)
    assert view.array.pointer == array.pointer
    assert not view.array.to_host().any()


def test_take_and_join(rng):
    from ally_fast import _cuda

    rows = rng.normal(size=(30, 7))
    array = put(rows)
    positions = rng.permutation(30)[:11]
    taken = array.take(_cuda.DeviceArray.from_host(positions, array.stream))
    np.testing.assert_array_equal(taken.to_host(), rows[positions])
    np.testing.assert_array_equal(array.take(positions).to_host(), rows[positions])
    first, rest = array.take()[:2], rows[:, 0]
    assert first.shape == (2, 7)
    numbers = _cuda.DeviceArray.from_host(rest.copy(), array.stream)
    np.testing.assert_array_equal(numbers.join(numbers[3:]).to_host(), [*rest, *rest[3:]])
    with pytest.raises(ValueError, match="step 2"):
        array[::2]
    for wrong in (-1, 30):
        with pytest.raises(ValueError, match=r"positions: needs values in \[0, 30\)"):
            array.take(np.array([3, wrong]))
    for wrong in (np.array([3], np.int32), np.array([[3]]), np.arange(9)[::2]):
        with pytest.raises(TypeError, match=r"positions: got int.*needs a contiguous 1-D array"):
            array.take(wrong)


def test_zeros():
    from ally_fast import _cuda

    stream = _cuda.Stream(0)
    for shape, dtype in (((3, 5), np.float32), ((7,), np.uint8), ((0,), np.int64)):
        array = _cuda.DeviceArray.zeros(shape, dtype, stream)
        np.testing.assert_array_equal(array.to_host(), np.zeros(shape, dtype), strict=True)


@pytest.mark.parametrize("slots", [2, 3])
def test_uploads_do_not_overwrite_one_another(slots, rng):
    from ally_fast import _cuda

    stream = _cuda.Stream(0)
    ring = _cuda.UploadRing(stream, 4096, slots)
    parts = [rng.normal(size=(16, 32)) for _ in range(9)]
    copies = [ring.upload(part).take() for part in parts]
    for copy, part in zip(copies, parts, strict=True):
        np.testing.assert_array_equal(copy.to_host(), part)
    with pytest.raises(ValueError, match="a slot holds 4096"):
        ring.upload(np.ones(1000))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_uploads_of_any_strides(layout, rng):
    from ally_fast import _cuda

    rows = lay_out(rng.normal(size=(20, 6)).astype(np.float16), layout)
    ring = _cuda.UploadRing(_cuda.Stream(0), 4096, 2)
    np.testing.assert_array_equal(ring.upload(rows, threads=2).to_host(), rows)
