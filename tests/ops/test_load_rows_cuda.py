"""Rows as float32 on the GPU: bit for bit as on the CPU."""

import numpy as np
import pytest
from cases import DTYPES, LAYOUTS, lay_out

from ally_fast.cluster.frame import Frame
from ally_fast.cluster.loaded_rows import load_in_frame
from ally_fast.ops.load_rows import load_rows
from ally_fast.pools import Rows

pytestmark = pytest.mark.gpu


def on_device(rows, stream, bf16=False, normalize=False, places=None, size=None, frame=None):
    from ally_fast import _cuda

    def put(array):
        return _cuda.DeviceArray.from_host(np.ascontiguousarray(array), stream)

    out = put(np.full((size or len(rows), rows.shape[1]), np.nan, np.float32))
    flag = put(np.zeros(1, np.int32))
    _cuda.load_rows(
        put(rows),
        out,
        None if places is None else put(places),
        flag,
        bf16=bf16,
        normalize=normalize,
        shift=None if frame is None else put(frame.shift),
        scale=1.0 if frame is None else frame.scale,
    )
    return out.to_host(), flag.to_host()[0] == 0


def on_host(rows, bf16=False, normalize=False):
    out = np.empty(rows.shape, np.float32)
    return out, load_rows(Rows(rows, bf16, normalize), out, np.arange(len(rows)))


@pytest.mark.parametrize("normalize", [False, True], ids=["plain", "cosine"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (33, 7), (100, 64), (5, 200)], ids=str)
def test_is_the_cpu(shape, dtype, normalize, stream, rng):
    rows = rng.normal(size=shape).astype(dtype)
    rows[0] = 0
    expected, _ = on_host(rows, normalize=normalize)
    found, finite = on_device(rows, stream, normalize=normalize)
    assert finite
    np.testing.assert_array_equal(found, expected)


def test_bfloat16_is_the_cpu(stream, rng):
    rows = rng.integers(0, 0x7F00, size=(50, 9)).astype(np.uint16)
    expected, _ = on_host(rows, bf16=True)
    np.testing.assert_array_equal(on_device(rows, stream, bf16=True)[0], expected)


def test_places_scatter(stream, rng):
    rows = rng.normal(size=(40, 5)).astype(np.float32)
    places = rng.permutation(60)[:40].astype(np.int64)
    found, _ = on_device(rows, stream, places=places, size=60)
    np.testing.assert_array_equal(found[places], rows)
    assert np.isnan(np.delete(found, places, axis=0)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_tells_what_is_not_finite(bad, stream):
    rows = np.ones((70, 3))
    rows[68, 2] = bad
    assert not on_device(rows, stream)[1]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_strides(layout, stream, rng):
    from ally_fast import _cuda

    rows = lay_out(rng.normal(size=(20, 6)).astype(np.float32), layout)
    base = rows
    while base.base is not None and isinstance(base.base, np.ndarray):
        base = base.base
    held = _cuda.DeviceArray.from_host(base.ravel(order="K"), stream)
    offset = rows.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    view = _cuda.DeviceArray.foreign(
        held.pointer + offset, rows.shape, rows.strides, rows.dtype, stream, held
    )
    np.testing.assert_array_equal(view.to_host(), rows)
    out = _cuda.DeviceArray.empty(rows.shape, np.float32, stream)
    flag = _cuda.DeviceArray.from_host(np.zeros(1, np.int32), stream)
    _cuda.load_rows(view, out, None, flag)
    np.testing.assert_array_equal(out.to_host(), rows)


@pytest.mark.parametrize("dtype", DTYPES)
def test_shift_and_scale_are_the_cpus(dtype, stream, rng):
    rows = (rng.normal(size=(70, 21)) + 1000).astype(dtype)
    frame = Frame.of(rows.astype(np.float64))
    expected = np.empty(rows.shape, np.float32)
    assert load_in_frame(Rows(rows), expected, np.arange(70), frame)
    np.testing.assert_array_equal(on_device(rows, stream, frame=frame)[0], expected)


@pytest.mark.parametrize("power", [-1074, -600, 480, 1015], ids="2**{}".format)
def test_unit_length_where_squares_overflow_or_vanish(power, stream, rng):
    rows = np.ldexp(rng.normal(size=(40, 21)), power)
    rows[3] = 0
    found, finite = on_device(rows, stream, normalize=True)
    assert finite
    np.testing.assert_array_equal(found, on_host(rows, normalize=True)[0])


def test_a_norm_that_float64_does_not_hold_is_told(stream):
    assert not on_device(np.full((3, 9), 1.7e308), stream, normalize=True)[1]
