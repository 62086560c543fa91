"""Discriminative active learning: the contract, and it goes where no labels are."""

import numpy as np
import pytest
from strategy_contract import StrategyContract

from ally_fast.strategies import DAL, Context

torch = pytest.importorskip("torch")


class TestDAL(StrategyContract):
    pieces = ("embeddings", "labeled_embeddings")
    follows_seed = True

    def make(self):
        return DAL(mini_queries=3, width=16, epochs=4)

    @pytest.mark.parametrize("mini_queries", [1, 4, 9], ids="mini_queries={}".format)
    def test_sizes_that_do_not_divide(self, mini_queries):
        picks = DAL(mini_queries=mini_queries, width=8, epochs=2).query(Context(**self.given()), 7)
        assert len(set(picks.tolist())) == 7

    def test_goes_where_no_labels_are(self, rng):
        """Of two clouds one is labeled; the batch comes from the other."""
        cloud = rng.normal(size=(300, 4)).astype(np.float32)
        cloud[200:, 1] += 12
        labeled = rng.normal(size=(40, 4)).astype(np.float32)
        context = Context(embeddings=cloud, labeled_embeddings=labeled)
        picks = DAL(mini_queries=2, epochs=60).query(context, 20)
        assert (picks >= 200).mean() >= 0.9

    def test_mini_queries_turn_elsewhere(self, rng):
        """Once a far cloud has given rows, the other one gives some, too."""
        rows = rng.normal(size=(300, 3)).astype(np.float32) * np.float32(0.3)
        rows[100:200, 0] += 9
        rows[200:, 1] += 9
        labeled = rng.normal(size=(50, 3)).astype(np.float32) * np.float32(0.3)
        context = Context(embeddings=rows, labeled_embeddings=labeled)
        picks = DAL(mini_queries=5, width=32, epochs=60).query(context, 60)
        assert (picks >= 200).any()
        assert ((picks >= 100) & (picks < 200)).any()

    def test_no_labeled_rows(self):
        with pytest.raises(ValueError, match="labeled_embeddings: got no rows"):
            self.ask({**self.given(), "labeled_embeddings": np.empty((0, 5))}, 5)

    def test_rows_that_are_not_finite(self):
        given = self.given()
        given["embeddings"][33, 2] = np.nan
        with pytest.raises(ValueError, match=r": embeddings: 1 of rows .* the first is row 33"):
            self.ask(given, 5)
