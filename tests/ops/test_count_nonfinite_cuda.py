"""Values that are not finite are counted, and the first is found."""

import numpy as np
import pytest

pytestmark = pytest.mark.gpu
NOTHING = [0, np.iinfo(np.int64).max]


def count(stream, parts, bf16=False):
    from ally_fast import _cuda

    found, first = _cuda.DeviceArray.from_host(np.array(NOTHING), stream), 0
    for part in parts:
        values = _cuda.DeviceArray.from_host(part, stream)
        _cuda.count_nonfinite(values, found, first, bf16=bf16)
        first += len(part)
    return found.to_host().tolist()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_counts_and_finds(dtype, stream, rng):
    values = rng.normal(size=30_000).astype(dtype)
    assert count(stream, [values]) == NOTHING
    bad = np.sort(rng.choice(30_000, size=700, replace=False))
    values[bad] = rng.choice([np.nan, np.inf, -np.inf], size=700)
    assert count(stream, [values]) == [700, bad[0]]
    assert count(stream, [values[:77], values[77:77], values[77:]]) == [700, bad[0]]
    assert count(stream, [values[bad[-1] :]]) == [1, 0]


def test_large_values_are_finite(stream):
    assert count(stream, [np.array([1.7e308, -5e-324])]) == NOTHING
    bits = np.array([0x7F7F, 0xFF80, 0x7FC0], np.uint16)
    assert count(stream, [bits], bf16=True) == [2, 1]


def test_errors(stream):
    from ally_fast import _cuda

    found = _cuda.DeviceArray.from_host(np.zeros(3, np.int64), stream)
    with pytest.raises(TypeError, match=r"values.*int64"):
        _cuda.count_nonfinite(found, found)
    with pytest.raises(ValueError, match=r"found.*\(3,\)"):
        _cuda.count_nonfinite(_cuda.DeviceArray.empty((4,), np.float32, stream), found)
