"""BADGE: the contract, and the picks of D-squared sampling on gradients formed here."""

import tracemalloc

import numpy as np
import pytest
import reference
from cuda_arrays import put
from strategy_contract import StrategyContract, softmax

from ally_fast.strategies import BADGE, Context


def dyadic_pool(rng, n, classes, d):
    """Return probabilities and embeddings of which the gradients are exact in float32."""
    cuts = np.sort(rng.integers(0, 17, size=(n, classes - 1)), axis=1)
    edges = np.concatenate([np.zeros((n, 1)), cuts, np.full((n, 1), 16)], axis=1)
    probabilities = np.diff(edges, axis=1) / 16
    return probabilities, rng.integers(-8, 9, size=(n, d)).astype(np.float32)


class TestBADGE(StrategyContract):
    pieces = ("embeddings", "probabilities")
    follows_seed = True

    def make(self):
        return BADGE()

    @pytest.mark.parametrize("seed", [0, 5], ids="seed={}".format)
    def test_samples_the_gradients(self, seed, rng):
        probabilities, embeddings = dyadic_pool(rng, 900, 4, 6)
        gradients = reference.outer_rows(probabilities, embeddings, probabilities.argmax(axis=1))
        np.testing.assert_array_equal(gradients.astype(np.float32), gradients)
        given = {"probabilities": probabilities, "embeddings": embeddings}
        for b in (1, 40, 400):
            found = self.ask(given, b, n=900, seed=seed)
            np.testing.assert_array_equal(found, reference.d2_sample(gradients, b, seed))
        left = np.flatnonzero(rng.random(900) < 0.5)
        excluded = np.setdiff1d(np.arange(900), left)
        expected = left[reference.d2_sample(gradients[left], 40, seed)]
        found = self.ask(given, 40, n=900, seed=seed, exclude=excluded)
        np.testing.assert_array_equal(found, expected)

    @pytest.mark.gpu
    @pytest.mark.parametrize("where", ["embeddings", "probabilities", "both"])
    @pytest.mark.parametrize("dtype", ["float16", "float32"])
    def test_rows_on_a_gpu(self, dtype, where, stream, rng):
        probabilities = softmax(rng.normal(size=(400, 5))).astype(dtype)
        given = {
            "probabilities": probabilities,
            "embeddings": rng.normal(size=(400, 6)).astype(dtype),
        }
        there = {
            piece: put(array, stream) if where in (piece, "both") else array
            for piece, array in given.items()
        }
        rest = {"exclude": rng.choice(400, size=50, replace=False), "seed": 4}
        expected = BADGE().query(Context(**given, **rest), 70)
        np.testing.assert_array_equal(BADGE().query(Context(**there, **rest), 70), expected)
        if where != "probabilities":
            with pytest.raises(RuntimeError, match=r"BADGE: .* the CPU; got device='cuda'"):
                BADGE().query(Context(**there, device="cuda"), 5)

    def test_follows_the_distribution(self, rng):
        """Each ordered pair of five rows comes up as often as k-means++ would have it."""
        probabilities = softmax(rng.normal(size=(5, 3)))
        embeddings = rng.normal(size=(5, 4))
        gradients = reference.outer_rows(probabilities, embeddings, probabilities.argmax(axis=1))
        truth = reference.d2_probabilities(gradients, 2)
        counts = dict.fromkeys(truth, 0)
        for seed in range(4000):
            context = Context(probabilities=probabilities, embeddings=embeddings, seed=seed)
            counts[tuple(BADGE().query(context, 2).tolist())] += 1
        for pair, probability in truth.items():
            spread = np.sqrt(4000 * probability * (1 - probability))
            assert abs(counts[pair] - 4000 * probability) < 5 * spread + 1

    def test_sure_rows_are_left_for_last(self):
        """Without uncertainty there is no gradient."""
        probabilities = np.eye(3)[np.arange(60) % 3]
        probabilities[[7, 30]] = [[0.4, 0.3, 0.3], [0.2, 0.3, 0.5]]
        given = {**self.given(), "probabilities": probabilities}
        for seed in range(5):
            first, *others = self.ask(given, 3, seed=seed).tolist()
            assert {7, 30} <= {first, *others}

    def test_regression(self):
        with pytest.raises(ValueError, match=r"BADGE: got labeled_targets of float32, a regress"):
            self.ask(self.given(), 5, labeled_targets=np.zeros(8, np.float32))
        with pytest.raises(ValueError, match=r"BADGE: the context lacks probabilities"):
            self.ask({"embeddings": self.given()["embeddings"]}, 5)

    def test_logits_are_not_probabilities(self):
        logits = np.random.default_rng(0).normal(size=(60, 3))
        with pytest.raises(ValueError, match="are not probabilities"):
            self.ask({**self.given(), "probabilities": logits}, 5)

    def test_rows_that_are_not_finite(self):
        given = self.given()
        given["embeddings"][33, 2] = np.nan
        with pytest.raises(ValueError, match=r": embeddings: 1 of 60 hold .* the first is row 33"):
            self.ask(given, 5)

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    def test_half_precision(self, dtype):
        given = self.given()
        if dtype == "bfloat16":
            half = pytest.importorskip("ml_dtypes").bfloat16
        else:
            half = np.float16
        halves = {piece: array.astype(half) for piece, array in given.items()}
        same = {piece: array.astype(np.float32) for piece, array in halves.items()}
        np.testing.assert_array_equal(self.ask(halves, 15), self.ask(same, 15))

    def test_gradients_are_never_formed(self, rng):
        """Of n x C x d numbers, 320 MB here, there is no trace."""
        n, classes, d = 20_000, 50, 40
        probabilities = softmax(rng.normal(size=(n, classes))).astype(np.float32)
        embeddings = rng.normal(size=(n, d)).astype(np.float32)
        tracemalloc.start()
        try:
            self.ask({"probabilities": probabilities, "embeddings": embeddings}, 20, n=n)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 32 * n + 4 * 8 * 8192 * classes
