"""Core-set selection: the contract, and the oracle's picks."""

import numpy as np
import pytest
import reference
from cuda_arrays import put
from strategy_contract import StrategyContract

from ally_fast.strategies import CoreSet


class TestCoreSet(StrategyContract):
    pieces = ("embeddings", "labeled_embeddings")

    def make(self):
        return CoreSet()

    @pytest.mark.parametrize("b", [1, 9, 60], ids="b={}".format)
    def test_is_the_reference(self, b):
        given = self.given()
        expected, _ = reference.k_center_greedy(given["embeddings"], b, given["labeled_embeddings"])
        np.testing.assert_array_equal(self.ask(given, b), expected)

    def test_is_the_reference_among_eligible_rows(self):
        given = self.given()
        left = np.delete(np.arange(60), [4, 5, 40])
        places, _ = reference.k_center_greedy(
            given["embeddings"][left], 12, given["labeled_embeddings"]
        )
        np.testing.assert_array_equal(self.ask(given, 12, exclude=[4, 5, 40]), left[places])

    @pytest.mark.gpu
    @pytest.mark.parametrize(
        ("dtype", "metric", "labeled", "device"),
        [
            ("float16", "euclidean", 7, "auto"),
            ("float32", "cosine", 7, "cuda"),
            ("float64", "euclidean", 0, "cuda:0"),
            ("float32", "cosine", 0, "auto"),
        ],
    )
    def test_rows_on_a_gpu(self, dtype, metric, labeled, device, stream, rng):
        embeddings = rng.normal(size=(120, 9)).astype(dtype)
        points = rng.normal(size=(labeled, 9)).astype(dtype)
        for exclude in (None, rng.choice(120, size=40, replace=False)):
            rest = {"exclude": exclude, "seed": 3}
            here = {"embeddings": embeddings, "labeled_embeddings": points, **rest}
            there = {
                "embeddings": put(embeddings, stream),
                "labeled_embeddings": points if exclude is None else put(points, stream),
                "device": device,
                **rest,
            }
            strategy = CoreSet(metric=metric)
            np.testing.assert_array_equal(
                strategy.query(self.context_of(there), 20),
                strategy.query(self.context_of(here), 20),
            )

    @pytest.mark.gpu
    def test_mistakes_on_a_gpu(self, stream, rng):
        embeddings = rng.normal(size=(30, 4)).astype(np.float32)
        labeled = {"labeled_embeddings": embeddings[:2]}
        with pytest.raises(RuntimeError, match=r"CoreSet.*device='cuda', needs 'auto'"):
            CoreSet().query(
                self.context_of({**labeled, "embeddings": embeddings, "device": "cuda"}), 3
            )
        there = {**labeled, "embeddings": put(embeddings, stream), "device": "cpu"}
        with pytest.raises(ValueError, match=r"'cpu'.*embeddings are on cuda:0"):
            CoreSet().query(self.context_of(there), 3)
        embeddings[17, 1] = np.nan
        there = {**labeled, "embeddings": put(embeddings, stream)}
        with pytest.raises(ValueError, match=r"1 of 30 hold NaN.*row 17"):
            CoreSet().query(self.context_of(there), 3)

    def test_prefixes_are_smaller_batches(self):
        np.testing.assert_array_equal(self.ask(self.given(), 7), self.ask(self.given(), 50)[:7])

    def test_cosine(self):
        given = self.given()
        units = {piece: reference.normalize_rows(array) for piece, array in given.items()}
        expected, _ = reference.k_center_greedy(
            units["embeddings"], 10, units["labeled_embeddings"]
        )
        picks = [
            CoreSet(metric="cosine").query(self.context_of(some), 10)
            for some in (given, {**given, "embeddings": given["embeddings"] * np.float32(4.0)})
        ]
        np.testing.assert_array_equal(picks[0], expected)
        np.testing.assert_array_equal(picks[1], expected)

    @staticmethod
    def context_of(given):
        from ally_fast.strategies import Context

        return Context(**given)

    def test_without_labeled_rows_the_first_is_random(self):
        given = {**self.given(), "labeled_embeddings": np.empty((0, 5))}
        batches = [self.ask(given, 6, seed=seed, exclude=[1]) for seed in range(5)]
        assert len({batch[0] for batch in batches}) > 1
        left = np.delete(np.arange(60), 1)
        for batch in batches:
            first = int(np.flatnonzero(left == batch[0])[0])
            places, _ = reference.k_center_greedy(given["embeddings"][left], 6, first=first)
            np.testing.assert_array_equal(batch, left[places])

    def test_rows_that_are_not_finite(self):
        given = self.given()
        given["embeddings"][33, 2] = np.nan
        with pytest.raises(ValueError, match=r": embeddings: 1 of 60 hold .* the first is row 33"):
            self.ask(given, 5)

    @pytest.mark.parametrize(
        ("labeled", "message"),
        [
            (np.zeros((3, 4)), r"labeled_embeddings: got shape \(3, 4\), needs \(any, 5\)"),
            (np.full((3, 5), np.inf), "labeled_embeddings: holds NaN or infinite values"),
        ],
        ids=["columns", "infinite"],
    )
    def test_labeled_rows_that_cannot_be_used(self, labeled, message):
        with pytest.raises(ValueError, match=message):
            self.ask({**self.given(), "labeled_embeddings": labeled}, 5)

    def test_a_gpu_is_refused(self):
        with pytest.raises(RuntimeError, match="cuda"):
            self.ask(self.given(), 5, device="cuda:0")

    def test_an_unknown_metric(self):
        with pytest.raises(ValueError, match="metric: got 'manhattan'"):
            CoreSet(metric="manhattan")

    def test_parquet(self, tmp_path):
        arrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        from ally_fast.pools import open_pool

        given = self.given()
        parquet.write_table(
            arrow.table({"x": list(given["embeddings"])}), tmp_path / "pool.parquet"
        )
        pool = open_pool(tmp_path / "pool.parquet")
        found = self.ask({**given, "embeddings": pool}, 12)
        np.testing.assert_array_equal(found, self.ask(given, 12))
