"""Random sampling: the contract, and every row has its chance."""

import numpy as np
import reference
from strategy_contract import StrategyContract

from ally_fast.strategies import Context, RandomSampling


class TestRandomSampling(StrategyContract):
    follows_seed = True

    def make(self):
        return RandomSampling()

    def test_is_the_reference(self):
        eligible = np.ones(60, bool)
        eligible[[3, 9]] = False
        for seed in (0, 1, 2**63):
            expected = reference.sample_rows(60, 13, seed, eligible)
            np.testing.assert_array_equal(self.ask({}, 13, seed=seed, exclude=[3, 9]), expected)

    def test_prefixes_are_smaller_batches(self):
        np.testing.assert_array_equal(self.ask({}, 7), self.ask({}, 50)[:7])

    def test_rows_are_equally_likely(self):
        counts = np.zeros(20)
        for seed in range(3000):
            counts[RandomSampling().query(Context(n=20, seed=seed), 5)] += 1
        expected = 3000 * 5 / 20
        assert abs(counts - expected).max() < 5 * np.sqrt(expected)
