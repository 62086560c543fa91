"""The grid for sums on the GPU: bit for bit that of the CPU."""

import numpy as np
import pytest
from clusterings import CASES, assert_same, clustering_of
from cuda_arrays import put

from ally_fast.ops.feature_grid import feature_grid

pytestmark = pytest.mark.gpu


def check(rows, stream):
    expected, found = feature_grid(rows), feature_grid(put(rows, stream))
    assert_same(found, expected)


@pytest.mark.parametrize("case", CASES)
def test_is_the_cpu(case, stream, rng):
    check(clustering_of(case, rng).rows, stream)


@pytest.mark.parametrize("t", [1, 2, 255, 256, 257, 4096, 4097], ids="t={}".format)
@pytest.mark.parametrize("d", [1, 3, 255, 256, 257], ids="d={}".format)
def test_extremes_at_every_place(t, d, stream, rng):
    """The minimum in the first row, the maximum in the last, and the other way round."""
    if t * d > 300_000:
        pytest.skip("slow to emulate")
    rows = rng.normal(size=(t, d)).astype(np.float32)
    rows[0], rows[-1] = -9, 9
    check(rows, stream)
    check(-rows, stream)
    check(np.abs(rows), stream)
    check(-np.abs(rows), stream)


def test_the_largest_floats(stream):
    top = np.finfo(np.float32).max
    check(np.array([[top, -top, top, 1e-45], [-top, -top, top, -1e-45]], np.float32), stream)


def test_errors(stream):
    from ally_fast import _cuda

    grid = put(np.zeros(7), stream)
    with pytest.raises(ValueError, match=r"rows.*\(0, 3\).*at least one row"):
        _cuda.feature_grid(put(np.zeros((0, 3), np.float32), stream), grid)
    with pytest.raises(ValueError, match=r"grid.*\(7,\).*\(5,\)"):
        _cuda.feature_grid(put(np.zeros((4, 2), np.float32), stream), grid)
    with pytest.raises(TypeError, match=r"rows.*float64"):
        _cuda.feature_grid(put(np.zeros((4, 3)), stream), grid)
