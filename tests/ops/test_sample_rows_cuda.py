"""Sampling without replacement on the GPU: the rows, and their order, of the CPU."""

import numpy as np
import pytest

from ally_fast import _cpu

pytestmark = pytest.mark.gpu


def draw(stream, n, size, seed, eligible=None):
    from ally_fast import _cuda

    out = _cuda.DeviceArray.empty((size,), np.int64, stream)
    if eligible is None:
        _cuda.sample_rows(out, n, seed)
    else:
        mask = _cuda.DeviceArray.from_host(eligible, stream)
        _cuda.sample_rows(out, n, seed, mask, int(eligible.sum()))
    return out.to_host()


@pytest.mark.parametrize("n", [1, 10, 2047, 2048, 2049, 5000], ids="n={}".format)
@pytest.mark.parametrize("seed", [0, 2**63 + 5], ids="seed={}".format)
def test_is_the_cpu(n, seed, stream):
    for size in {0, 1, n // 2, n}:
        expected = _cpu.sample_rows(n, size, seed, None)
        np.testing.assert_array_equal(draw(stream, n, size, seed), expected)


@pytest.mark.parametrize("size", [4096, 4097, 8200, 16_385, 40_000], ids="size={}".format)
def test_sorts_of_many_tiles(size, stream):
    """Merges of one, two, three and more global steps, the last one cut off."""
    expected = _cpu.sample_rows(size, size, 11, None)
    np.testing.assert_array_equal(draw(stream, size, size, 11), expected)


def test_a_small_share_of_many(stream):
    expected = _cpu.sample_rows(300_000, 2500, 3, None)
    np.testing.assert_array_equal(draw(stream, 300_000, 2500, 3), expected)


@pytest.mark.parametrize("share", [0.01, 0.5, 1.0], ids="share={}".format)
def test_eligible_rows_only(share, stream, rng):
    eligible = rng.random(20_000) < share
    for size in (int(eligible.sum()) // 3, int(eligible.sum())):
        expected = _cpu.sample_rows(20_000, size, 7, eligible)
        np.testing.assert_array_equal(draw(stream, 20_000, size, 7, eligible), expected)


def test_errors(stream):
    from ally_fast import _cuda

    out = _cuda.DeviceArray.empty((5,), np.int64, stream)
    mask = _cuda.DeviceArray.from_host(np.zeros(10, bool), stream)
    with pytest.raises(ValueError, match=r"out.*5.*4"):
        _cuda.sample_rows(out, 4, 0)
    with pytest.raises(ValueError, match="eligible_count"):
        _cuda.sample_rows(out, 10, 0, mask)
    with pytest.raises(ValueError, match=r"eligible.*10.*11"):
        _cuda.sample_rows(out, 11, 0, mask, 8)
    with pytest.raises(ValueError, match=r"eligible_count.*8.* 0 rows"):
        _cuda.sample_rows(out, 10, 0, mask, 8)
