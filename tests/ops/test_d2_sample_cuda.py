"""k-means++ starts on the GPU: the rows that the CPU draws, in its order."""

import numpy as np
import pytest
from cases import RUNNABLE_ISAS, hard_pool

from ally_fast import _cpu

pytestmark = pytest.mark.gpu


def check(stream, rows, k, seed):
    from ally_fast import _cuda

    out = _cuda.DeviceArray.empty((k,), np.int64, stream)
    _cuda.d2_sample(_cuda.DeviceArray.from_host(rows, stream), out, seed)
    expected = _cpu.d2_sample(rows, k, seed, RUNNABLE_ISAS[0], 2)
    np.testing.assert_array_equal(out.to_host(), expected)


@pytest.mark.parametrize(
    ("t", "d", "k"),
    [(1, 1, 1), (2, 3, 2), (30, 4, 30), (1023, 7, 5), (1024, 8, 6), (1025, 9, 17), (2100, 5, 40)],
    ids=str,
)
@pytest.mark.parametrize("seed", [0, 2**63 + 5], ids="seed={}".format)
def test_is_the_cpu(t, d, k, seed, stream, rng):
    check(stream, rng.normal(size=(t, d)).astype(np.float32), k, seed)


def test_rounds_of_the_largest_size(stream, rng):
    rows, _ = hard_pool("plain", rng, 1000, 10, 3)
    check(stream, rows, 550, 3)


def test_rounds_that_end_early(stream, rng):
    """Tight clumps far apart: most proposals of a round lie in a clump just hit."""
    clumps = 1e4 * rng.normal(size=(40, 3))
    rows = (clumps[rng.integers(0, 40, size=1200)] + rng.normal(size=(1200, 3))).astype(np.float32)
    for seed in range(3):
        check(stream, rows, 90, seed)


@pytest.mark.parametrize(
    "pool",
    [
        "plain",
        "values_1e18",
        "values_1e-30",
        "denormals",
        "offset_1e6",
    ],
)
def test_extreme_values(pool, stream, rng):
    rows, _ = hard_pool(pool, rng, 300, 10, 9)
    check(stream, rows, 25, 1)


@pytest.mark.parametrize("k", [12, 13, 200, 400], ids="k={}".format)
def test_fewer_distinct_rows_than_k(k, stream, rng):
    distinct = rng.normal(size=(12, 6)).astype(np.float32)
    rows = distinct[rng.integers(0, 12, size=400)]
    check(stream, rows, k, 3)
    check(stream, np.zeros((400, 2), np.float32), k, 0)


def test_many_blocks(stream, rng):
    """More than are read at a time, nearly all weights zero."""
    rows = np.zeros((133_000, 1), np.float32)
    rows[rng.choice(len(rows), size=40, replace=False), 0] = rng.normal(size=40)
    rows[-1] = 5
    check(stream, rows, 4, 5)


def test_errors(stream):
    from ally_fast import _cuda

    rows = _cuda.DeviceArray.empty((3, 2), np.float32, stream)
    for k in (0, 4):
        with pytest.raises(ValueError, match=rf"out.*{k}.*1 to 3"):
            _cuda.d2_sample(rows, _cuda.DeviceArray.empty((k,), np.int64, stream), 0)
    with pytest.raises(TypeError, match=r"out.*int32"):
        _cuda.d2_sample(rows, _cuda.DeviceArray.empty((2,), np.int32, stream), 0)
