"""A first batch of typical rows: the contract, and the oracle's picks."""

import numpy as np
import pytest
import reference
from strategy_contract import StrategyContract

import ally_fast
from ally_fast import _cpu
from ally_fast.ops.sample_rows import sample_rows
from ally_fast.strategies import Context, TypicalStart, typical_start


def clouds(n=600, d=7, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    centres = 4 * rng.normal(size=(12, d))
    rows = rng.normal(size=(n, d)) + centres[rng.integers(12, size=n)]
    return rows.astype(dtype)


class TestTypicalStart(StrategyContract):
    pieces = ("embeddings",)
    follows_seed = True  # of k-means

    def make(self):
        return TypicalStart(6, neighbours=3)

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    @pytest.mark.parametrize(("k", "b"), [(None, 12), (5, 30), (0.5, 20), (1, 600), (50, 8)])
    def test_is_the_reference(self, k, b, dtype):
        rows = clouds(dtype=dtype)
        clusters = {None: b, 0.5: b // 2, 50: b}.get(k, k)
        centroids = ally_fast.kmeans(rows, clusters, seed=4, train_size=None).centroids
        expected = reference.typical_rows(rows, centroids, b, 20)
        found = TypicalStart(k, train_size=None).query(Context(embeddings=rows, seed=4), b)
        np.testing.assert_array_equal(found, expected)

    def test_cosine_is_the_reference_of_unit_rows(self):
        rows = clouds()
        centroids = ally_fast.kmeans(rows, 9, seed=1, metric="cosine").centroids
        expected = reference.typical_rows(reference.normalize_rows(rows), centroids, 9, 20)
        for scale in (1.0, 4.0):
            context = Context(embeddings=rows * np.float32(scale), seed=1)
            np.testing.assert_array_equal(TypicalStart(metric="cosine").query(context, 9), expected)

    def test_is_the_reference_among_the_rows_drawn(self):
        rows = clouds()
        centroids = ally_fast.kmeans(rows, 6, seed=3, train_size=150).centroids
        drawn = np.sort(sample_rows(600, 150, 3))
        places = reference.typical_rows(rows[drawn], centroids, 25, 5)
        strategy = TypicalStart(6, neighbours=5, train_size=150)
        found = strategy.query(Context(embeddings=rows, seed=3), 25)
        np.testing.assert_array_equal(found, drawn[places])

    def test_as_many_rows_are_drawn_as_are_picked(self):
        rows = clouds()
        found = TypicalStart(2, train_size=5).query(Context(embeddings=rows), 40)
        assert sorted(found.tolist()) == np.sort(sample_rows(600, 40, 0)).tolist()

    def test_of_a_large_cluster_the_first_drawn_are_measured(self, monkeypatch):
        monkeypatch.setattr(typical_start, "_MOST", 50)
        rows = clouds()
        draw = sample_rows(600, 600, 0)
        first = np.sort(draw[:50])
        centroid = np.zeros((1, 7), np.float32)
        expected = first[reference.typical_rows(rows[first], centroid, 50, 20)]
        found = TypicalStart(1, train_size=None).query(Context(embeddings=rows), 53)
        np.testing.assert_array_equal(found[:50], expected)
        assert found[50:].tolist() == np.setdiff1d(np.arange(600), first)[:3].tolist()

    def test_rows_not_drawn_are_not_read(self):
        rows = clouds()
        expected = TypicalStart(train_size=100).query(Context(embeddings=rows), 5)
        rest = np.setdiff1d(np.arange(600), sample_rows(600, 100, 0))
        rows[rest] = np.nan
        found = TypicalStart(train_size=100).query(Context(embeddings=rows), 5)
        np.testing.assert_array_equal(found, expected)

    @pytest.mark.parametrize("isa", ["portable", "avx2", "avx512"])
    @pytest.mark.parametrize("threads", ["1", "3"])
    def test_threads_and_instruction_sets_change_nothing(self, isa, threads, monkeypatch):
        if isa not in _cpu.isas():
            pytest.skip(f"this machine has no {isa}")
        context = Context(embeddings=clouds(d=33), seed=1)
        expected = TypicalStart().query(context, 20)
        monkeypatch.setenv("ALLY_FAST_ISA", isa)
        monkeypatch.setenv("ALLY_FAST_THREADS", threads)
        np.testing.assert_array_equal(TypicalStart().query(context, 20), expected)

    @pytest.mark.parametrize("value", [np.nan, 1e200])
    def test_rows_that_cannot_be_used(self, value):
        rows = clouds(n=60, dtype=np.float64)
        rows[33, 2] = value
        with pytest.raises(ValueError, match=r"embeddings: .* row 33\b"):
            TypicalStart().query(Context(embeddings=rows), 5)

    @pytest.mark.parametrize(
        "arguments",
        [{"k": 0}, {"k": 2.0}, {"neighbours": 0}, {"train_size": "all"}, {"metric": "dot"}],
        ids=repr,
    )
    def test_arguments_that_cannot_be_used(self, arguments):
        (name,) = arguments
        with pytest.raises(ValueError, match=rf"^{name}: got "):
            TypicalStart(**arguments)

    def test_a_training_sample_smaller_than_k(self):
        with pytest.raises(ValueError, match=r"^train_size: got 4, needs at least k = 9"):
            TypicalStart(train_size=4).query(Context(embeddings=clouds()), 9)

    def test_a_gpu_is_refused(self):
        with pytest.raises(RuntimeError, match="cuda"):
            self.ask(self.given(), 5, device="cuda:0")
