"""Rows of any dtype as a float32 matrix, in the places asked for."""

import numpy as np
import pytest
import reference
from cases import DTYPES, LAYOUTS, RUNNABLE_ISAS, hard_pool, lay_out

from ally_fast import _cpu


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@pytest.mark.parametrize("normalize", [False, True], ids="normalize={}".format)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES, ids="dtype={}".format)
def test_is_a_cast(dtype, layout, normalize, isa, rng):
    rows, _ = hard_pool("plain", rng, 130, 3, 37)
    rows = rows.astype(dtype)
    rows[4] = 0
    places = rng.permutation(200)[:130].astype(np.int64)
    out = np.full((200, 37), 7.0, dtype=np.float32)
    finite = _cpu.load_rows(lay_out(rows, layout), out, isa, places, normalize=normalize, threads=2)
    expected = np.full((200, 37), 7.0, dtype=np.float32)
    expected[places] = reference.normalize_rows(rows) if normalize else rows
    assert finite
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39], ids="value={}".format)
def test_tells_of_values_that_float32_does_not_hold(value, isa, rng):
    rows = rng.normal(size=(70, 5))
    places = np.arange(70)
    out = np.empty((70, 5), dtype=np.float32)
    assert _cpu.load_rows(rows, out, isa, places, threads=2)
    rows[69, 4] = value
    assert not _cpu.load_rows(rows, out, isa, places, threads=2)


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
def test_every_float16(isa):
    bits = np.arange(2**16, dtype=np.uint16)
    halves = bits.view(np.float16)
    halves = halves[np.isfinite(halves)].reshape(-1, 32)
    out = np.empty(halves.shape, dtype=np.float32)
    assert _cpu.load_rows(halves, out, isa, np.arange(len(halves)))
    np.testing.assert_array_equal(out.view(np.uint32), halves.astype(np.float32).view(np.uint32))


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
def test_every_bfloat16(isa):
    bits = np.arange(2**16, dtype=np.uint32)
    exact = (bits << 16).view(np.float32)
    finite = np.isfinite(exact)
    rows = bits[finite].astype(np.uint16).reshape(-1, 32)
    out = np.empty(rows.shape, dtype=np.float32)
    assert _cpu.load_rows(rows, out, isa, np.arange(len(rows)), bf16=True)
    np.testing.assert_array_equal(out, exact[finite].reshape(rows.shape))


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@pytest.mark.parametrize("dtype", DTYPES, ids="dtype={}".format)
def test_shift_and_scale(dtype, isa, rng):
    rows = (rng.normal(size=(70, 21)) + 1000).astype(dtype)
    shift = rng.normal(size=21) + 1000
    out = np.empty(rows.shape, dtype=np.float32)
    assert _cpu.load_rows(rows, out, isa, np.arange(70), shift=shift, scale=2.0**-3, threads=2)
    np.testing.assert_array_equal(out, ((rows.astype(np.float64) - shift) / 8).astype(np.float32))


def test_a_shift_of_another_length_is_refused(rng):
    rows, out = rng.normal(size=(4, 3)), np.empty((4, 3), dtype=np.float32)
    with pytest.raises(ValueError, match="shift: got 2 values, needs 3"):
        _cpu.load_rows(rows, out, RUNNABLE_ISAS[0], np.arange(4), shift=np.zeros(2))


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@pytest.mark.parametrize("power", [-1074, -1000, -600, 480, 1015], ids="2**{}".format)
def test_unit_length_where_squares_overflow_or_vanish(power, isa, rng):
    rows = np.ldexp(rng.normal(size=(40, 21)), power)
    rows[3], rows[4, 1:] = 0, 0
    out = np.empty(rows.shape, dtype=np.float32)
    assert _cpu.load_rows(rows, out, isa, np.arange(40), normalize=True, threads=2)
    np.testing.assert_array_equal(out, reference.normalize_rows(rows))
    if power > -1000:
        lengths = np.linalg.norm(np.delete(out, 3, axis=0).astype(np.float64), axis=1)
        np.testing.assert_allclose(lengths, 1, atol=1e-6)


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
def test_a_norm_that_float64_does_not_hold_is_told(isa):
    rows = np.full((3, 9), 1.7e308)
    out = np.empty(rows.shape, dtype=np.float32)
    assert not _cpu.load_rows(rows, out, isa, np.arange(3), normalize=True)
