"""Sampling without replacement, by seed."""

import numpy as np
import pytest
import reference

from ally_fast import _cpu


@pytest.mark.parametrize("threads", [1, 2, 5], ids="threads={}".format)
@pytest.mark.parametrize("seed", [0, 7, 2**63 + 5], ids="seed={}".format)
def test_is_the_reference(seed, threads, rng):
    eligible = rng.random(200_000) < 0.5
    for mask, size in ((None, 1000), (eligible, 5000)):
        np.testing.assert_array_equal(
            _cpu.sample_rows(200_000, size, seed, mask, threads),
            reference.sample_rows(200_000, size, seed, mask),
        )


@pytest.mark.parametrize("n", [1, 10, 5000], ids="n={}".format)
def test_distinct_rows_of_the_pool(n):
    for size in {0, 1, n // 2, n}:
        taken = _cpu.sample_rows(n, size, 7, None)
        assert taken.dtype == np.int64
        assert len(set(taken.tolist())) == size
        assert ((taken >= 0) & (taken < n)).all()


def test_eligible_rows_only(rng):
    eligible = rng.random(1000) < 0.3
    taken = _cpu.sample_rows(1000, int(eligible.sum()), 7, eligible)
    assert sorted(taken.tolist()) == np.flatnonzero(eligible).tolist()
    some = _cpu.sample_rows(1000, 50, 7, eligible)
    assert eligible[some].all()
    assert len(set(some.tolist())) == 50


def test_a_smaller_sample_is_the_start_of_a_larger_one():
    large = _cpu.sample_rows(3000, 1000, 5, None)
    np.testing.assert_array_equal(_cpu.sample_rows(3000, 100, 5, None), large[:100])


def test_the_seed_decides():
    draws = [_cpu.sample_rows(1000, 100, seed, None).tolist() for seed in (0, 1, 0, 2**40)]
    assert draws[0] == draws[2]
    assert draws[0] != draws[1]
    assert draws[0] != draws[3]


def test_every_row_is_equally_likely_at_every_place():
    n, seeds = 8, 4000
    counts = np.zeros((n, n))
    for seed in range(seeds):
        counts[np.arange(n), _cpu.sample_rows(n, n, seed, None)] += 1
    expected = seeds / n
    statistic = ((counts - expected) ** 2 / expected).sum()
    freedom = (n - 1) ** 2
    assert statistic < freedom + 5 * np.sqrt(2 * freedom)
