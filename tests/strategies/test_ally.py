"""ALLY: the contract, and the batch of `select` on the head's scores."""

import numpy as np
import pytest
from strategy_contract import StrategyContract, world

import ally_fast
from ally_fast.strategies import ALLY, Context


class LinearHead:
    """Fits multipliers by least squares, and remembers what it was given."""

    def __init__(self):
        self.scored = []

    def fit(self, embeddings, multipliers):
        self.rows, self.multipliers = embeddings, multipliers
        self._weights = np.linalg.lstsq(embeddings, multipliers, rcond=None)[0]
        return self

    def score(self, embeddings):
        self.scored.append(len(embeddings))
        return np.maximum((embeddings * self._weights).sum(axis=1), 0)


class TestALLYWithScores(StrategyContract):
    pieces = ("embeddings", "dual_scores")
    follows_seed = True  # of k-means

    def make(self):
        return ALLY(k=6)

    def test_is_select(self):
        given = self.given()
        for b, k in ((20, 6), (4, 4)):  # k is lowered to b
            expected = ally_fast.select(
                given["embeddings"], given["dual_scores"], b, k, seed=5, exclude=[1, 2]
            )
            np.testing.assert_array_equal(self.ask(given, b, seed=5, exclude=[1, 2]), expected)

    def test_a_cluster_a_pick_without_k(self):
        given = self.given()
        expected = ally_fast.select(given["embeddings"], given["dual_scores"], 20, 20)
        np.testing.assert_array_equal(ALLY().query(Context(**given), 20), expected)

    def test_options_reach_select(self):
        given = self.given()
        options = {"allocation": "sqrt", "metric": "cosine", "max_iter": 3}
        expected = ally_fast.select(given["embeddings"], given["dual_scores"], 20, 5, **options)
        found = ALLY(5, **options).query(Context(**given), 20)
        np.testing.assert_array_equal(found, expected)

    def test_given_centroids(self):
        given = self.given()
        centroids = world(9, seed=1)["embeddings"]
        for strategy in (ALLY(centroids=centroids), ALLY(9, centroids=centroids)):
            expected = ally_fast.select(
                given["embeddings"], given["dual_scores"], 4, 9, centroids=centroids
            )
            np.testing.assert_array_equal(strategy.query(Context(**given), 4), expected)

    def test_rows_near_labeled_ones_are_blocked(self):
        """Every pool row stands in the labeled set but ten."""
        given = self.given()
        labeled = given["embeddings"][10:]
        picks = ALLY(radius=1e-3).query(Context(**given, labeled_embeddings=labeled), 10)
        assert sorted(picks.tolist()) == list(range(10))
        with pytest.raises(ValueError, match="ALLY: the context lacks labeled_embeddings"):
            ALLY(radius=1e-3).query(Context(**given), 10)
        with pytest.raises(ValueError, match=r"b: got 11, .*radius 0.001"):
            ALLY(radius=1e-3).query(Context(**given, labeled_embeddings=labeled), 11)

    def test_scores_above_a_quantile_are_not_taken(self):
        given = self.given()
        scores = given["dual_scores"]
        order = np.argsort(scores)
        for quantile, most in ((0.5, 30), (0.9, 54), (1.0, 60)):
            picks = ALLY(k=4, max_score_quantile=quantile).query(Context(**given), most)
            assert sorted(picks.tolist()) == sorted(order[:most].tolist())
        exclude = order[-20:]
        picks = ALLY(k=4, max_score_quantile=0.5).query(Context(**given, exclude=exclude), 20)
        assert sorted(picks.tolist()) == sorted(order[:20].tolist())
        with pytest.raises(ValueError, match="b: got 31, needs at most the 30 eligible rows"):
            ALLY(k=4, max_score_quantile=0.5).query(Context(**given), 31)

    @pytest.mark.parametrize("quantile", [0, -0.1, 1.1, np.nan], ids=str)
    def test_quantiles_that_cannot_be(self, quantile):
        with pytest.raises(ValueError, match=f"max_score_quantile: got {quantile}"):
            ALLY(max_score_quantile=quantile)


class TestALLYWithHead(StrategyContract):
    pieces = ("embeddings", "labeled_embeddings", "multipliers")
    follows_seed = True

    def make(self):
        return ALLY(head=LinearHead())

    def test_selects_by_what_the_head_predicts(self):
        given = self.given()
        head = LinearHead()
        picks = ALLY(5, head=head).query(Context(**given, exclude=[0, 9]), 20)
        np.testing.assert_array_equal(head.rows, given["labeled_embeddings"])
        np.testing.assert_array_equal(head.multipliers, given["multipliers"])
        expected = ally_fast.select(
            given["embeddings"], head.score(given["embeddings"]), 20, 5, exclude=[0, 9]
        )
        np.testing.assert_array_equal(picks, expected)

    def test_scores_by_chunk(self):
        head = LinearHead()
        ALLY(5, head=head).query(Context(**self.given(), chunk_rows=25), 20)
        assert head.scored == [25, 25, 10]

    def test_given_scores_come_first(self):
        given = self.given()
        scores = world(60)["dual_scores"]
        head = LinearHead()
        picks = ALLY(5, head=head).query(Context(**given, dual_scores=scores), 20)
        np.testing.assert_array_equal(picks, ally_fast.select(given["embeddings"], scores, 20, 5))
        assert head.scored == []

    def test_a_quantile_of_predictions(self):
        given = self.given()
        head = LinearHead()
        head.fit(given["labeled_embeddings"], given["multipliers"])
        scores = head.score(given["embeddings"])
        picks = ALLY(5, head=head, max_score_quantile=0.8).query(Context(**given), 20)
        assert scores[picks].max() <= np.quantile(scores, 0.8, method="lower")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"multipliers": np.zeros(5)}, "multipliers: got 5 for 8 rows"),
            ({"multipliers": np.full(8, np.nan)}, "multipliers: 8 of rows 0 to 7 hold NaN"),
            ({"labeled_embeddings": np.zeros((8, 2))}, r"got shape \(8, 2\), needs \(any, 5\)"),
        ],
        ids=["length", "NaN", "columns"],
    )
    def test_a_labeled_set_that_cannot_be_used(self, change, message):
        with pytest.raises(ValueError, match=message):
            self.ask({**self.given(), **change}, 5)

    def test_a_head_that_gives_nonsense(self):
        class Broken(LinearHead):
            def score(self, embeddings):
                return np.full(len(embeddings), np.nan)

        with pytest.raises(ValueError, match="ALLY: dual_scores: 60 of rows 0 to 59 hold NaN"):
            ALLY(head=Broken()).query(Context(**self.given()), 5)


class TestALLYWithDualHead(StrategyContract):
    pieces = ("embeddings", "labeled_embeddings", "multipliers")
    follows_seed = True

    @pytest.fixture(autouse=True)
    def _needs_the_head(self):
        pytest.importorskip("ally_fast.primal_dual.dual_head", exc_type=ImportError)

    def given(self, n=60):
        """Return a labeled set that a head can learn from."""
        labeled = np.random.default_rng(0).normal(size=(120, 5)).astype(np.float32)
        return {
            "embeddings": world(n)["embeddings"],
            "labeled_embeddings": labeled,
            "multipliers": np.maximum(labeled[:, 0], 0),
        }

    def make(self):
        from ally_fast.primal_dual import DualHead

        return ALLY(4, head=DualHead(max_epochs=12))

    def test_the_head_is_seeded_by_the_context(self):
        from ally_fast.primal_dual import DualHead

        context = Context(**self.given(), seed=3)
        expected = ALLY(4, head=DualHead(seed=3)).query(context, 20)
        np.testing.assert_array_equal(ALLY(4).query(context, 20), expected)

    def test_prefers_what_it_learned(self):
        given = self.given()
        picks = self.make().query(Context(**given), 12)
        first = given["embeddings"][:, 0]
        assert first[picks].mean() > first.mean() + 0.5
