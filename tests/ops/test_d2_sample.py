"""k-means++ starts follow the D² distribution exactly."""

import numpy as np
import pytest
from cases import RUNNABLE_ISAS, hard_pool

from ally_fast import _cpu, reference

FEW = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [2.5, 2.0], [3.0, 0.5]], dtype=np.float32)


def chi_square(counts, probabilities):
    """Return the statistic, and a bound that a right sampler stays below (5 sigma)."""
    expected = counts.sum() * probabilities
    rare = expected < 8
    if rare.any():  # outcomes too rare for the statistic count as one
        counts = np.append(counts[~rare], counts[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
    freedom = len(counts) - 1
    return ((counts - expected) ** 2 / expected).sum(), freedom + 5 * np.sqrt(2 * freedom)


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
@pytest.mark.parametrize("k", [1, 2, 3, 4, 5], ids="k={}".format)
def test_follows_the_distribution(isa, k):
    """With four and more, some are drawn from weights that are out of date."""
    truth = reference.d2_probabilities(FEW, k)
    counts = dict.fromkeys(truth, 0)
    for seed in range(10_000):
        counts[tuple(_cpu.d2_sample(FEW, k, seed, isa, 1).tolist())] += 1
    statistic, bound = chi_square(np.array(list(counts.values())), np.array(list(truth.values())))
    assert statistic < bound


def test_one_answer(rng):
    rows, _ = hard_pool("plain", rng, 3000, 20, 17)
    answers = {
        _cpu.d2_sample(rows, 60, 11, isa, threads).tobytes()
        for isa in RUNNABLE_ISAS
        for threads in (1, 2, 5)
    }
    assert len(answers) == 1


def test_the_seed_decides(rng):
    rows, _ = hard_pool("plain", rng, 500, 20, 8)
    draws = [_cpu.d2_sample(rows, 10, seed, RUNNABLE_ISAS[0], 2).tolist() for seed in (0, 1, 0)]
    assert draws[0] == draws[2]
    assert draws[0] != draws[1]


def test_all_seed_bits_count(rng):
    rows, _ = hard_pool("plain", rng, 500, 20, 8)
    low = _cpu.d2_sample(rows, 10, 5, RUNNABLE_ISAS[0], 2).tolist()
    high = _cpu.d2_sample(rows, 10, 5 + 2**40, RUNNABLE_ISAS[0], 2).tolist()
    assert low != high


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
def test_takes_distinct_rows_while_there_are_any(isa, rng):
    distinct = rng.normal(size=(12, 6)).astype(np.float32)
    rows = distinct[rng.integers(0, 12, size=400)]
    rows[:12] = distinct
    positions = _cpu.d2_sample(rows, 12, 3, isa, 2)
    assert len(np.unique(rows[positions], axis=0)) == 12


@pytest.mark.parametrize("isa", RUNNABLE_ISAS, ids="isa={}".format)
def test_fewer_distinct_rows_than_k(isa):
    rows = np.repeat(FEW, 6, axis=0)
    positions = _cpu.d2_sample(rows, 20, 3, isa, 2)
    assert len(set(positions.tolist())) == 20
    assert ((positions >= 0) & (positions < len(rows))).all()
    assert len(np.unique(rows[positions], axis=0)) == len(FEW)


def test_all_rows(rng):
    rows = rng.normal(size=(30, 4)).astype(np.float32)
    positions = _cpu.d2_sample(rows, 30, 0, RUNNABLE_ISAS[0], 2)
    assert sorted(positions.tolist()) == list(range(30))


@pytest.mark.parametrize("pool", ["values_1e18", "values_1e-30", "denormals", "offset_1e6"])
def test_extreme_values_still_give_distinct_rows(pool, rng, isa):
    rows, _ = hard_pool(pool, rng, 300, 10, 9)
    positions = _cpu.d2_sample(rows, 25, 1, isa, 2)
    assert len(set(positions.tolist())) == 25
