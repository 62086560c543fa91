"""GIST: the contract, the sweep in plain Python, and what is guaranteed, against all batches."""

from itertools import combinations

import numpy as np
import pytest
import reference
from strategy_contract import StrategyContract

from ally_fast.strategies import GIST, Context


def apart(squares, batch):
    """Return the smallest distance between two rows of a batch."""
    return min((squares[i, j] for i, j in combinations(batch, 2)), default=0.0) ** 0.5


def sweep(rows, scores, b, trade_off, epsilon):
    """Return the value of the best batch of the sweep, and the batch."""
    squares = reference.squared_distance(rows, rows)
    order = sorted(range(len(rows)), key=lambda row: (-scores[row], row))

    def highest(radius):
        picks = []
        for row in order:
            if len(picks) < b and all(squares[row, pick] > radius**2 for pick in picks):
                picks.append(row)
        return picks

    first = order[:b]
    far, distances = reference.k_center_greedy(rows, b, first=first[0])
    reach = distances[-1] ** 0.5
    if trade_off is None:
        trade_off = sum(scores[first]) / reach
    radii = [reach]
    while radii[-1] > reach * epsilon / 2:
        radii.append(radii[-1] / (1 + epsilon))
    batches = [first, *(highest(radius) for radius in radii[::-1]), far.tolist()]
    values = [
        (sum(scores[batch]) + trade_off * apart(squares, batch), -place, batch)
        for place, batch in enumerate(batches)
        if len(batch) == b
    ]
    value, _, batch = max(values, key=lambda found: found[:2])
    return value, sorted(batch)


class TestGIST(StrategyContract):
    pieces = ("embeddings", "dual_scores")

    def make(self):
        return GIST(epsilon=0.3)

    @pytest.mark.parametrize("b", [2, 7, 30], ids="b={}".format)
    @pytest.mark.parametrize("trade_off", [None, 0.0, 0.5, 20.0, 1e6], ids=str)
    @pytest.mark.parametrize("metric", ["euclidean", "cosine"])
    def test_is_the_sweep(self, b, trade_off, metric):
        given = self.given()
        rows, scores = given["embeddings"], given["dual_scores"]
        units = reference.normalize_rows(rows) if metric == "cosine" else rows
        _, expected = sweep(units, scores, b, trade_off, 0.2)
        strategy = GIST(trade_off=trade_off, epsilon=0.2, metric=metric)
        found = strategy.query(Context(**given), b)
        assert sorted(found.tolist()) == expected
        assert (np.diff(scores[found]) <= 0).all()

    @pytest.mark.parametrize("seed", range(8))
    @pytest.mark.parametrize("trade_off", [0.1, 1.0, 10.0])
    def test_the_guarantee(self, seed, trade_off):
        """Of all batches of 4 among 11 rows."""
        rng = np.random.default_rng(seed)
        rows, scores = rng.normal(size=(11, 2)), rng.exponential(size=11)
        squares = reference.squared_distance(rows, rows)
        found = GIST(trade_off=trade_off, epsilon=0.1).query(
            Context(embeddings=rows, dual_scores=scores), 4
        )
        value = scores[found].sum() + trade_off * apart(squares, found)
        best = 0.0
        for batch in combinations(range(11), 4):
            total, distance = scores[list(batch)].sum(), apart(squares, batch)
            best = max(best, total + trade_off * distance)
            shrunk = total + trade_off * distance / 2.2
            assert value * 1.1 >= min(shrunk * 1.1, total + trade_off * distance) - 1e-9
        assert value >= best / 2.2

    def test_without_a_trade_off_both_ends_are_worth_the_same(self):
        rows = np.array([[0.0], [1.0], [2.0], [100.0]])
        scores = np.array([1.0, 1.0, 1.0, 0.2])
        context = Context(embeddings=rows, dual_scores=scores)
        assert GIST(trade_off=0.0).query(context, 2).tolist() == [0, 1]
        assert GIST().query(context, 2).tolist() == [0, 3]

    def test_excluded_rows_lend_no_score(self):
        given = self.given()
        left = np.delete(np.arange(60), [4, 5, 40])
        _, places = sweep(given["embeddings"][left], given["dual_scores"][left], 9, None, 0.1)
        found = GIST().query(Context(**given, exclude=[4, 5, 40]), 9)
        assert sorted(found.tolist()) == left[places].tolist()

    def test_scores_below_0(self):
        given = self.given()
        given["dual_scores"][33] = -0.5
        with pytest.raises(ValueError, match=r"GIST: dual_scores: got -0\.5 in row 33"):
            self.ask(given, 5)
        self.ask(given, 5, exclude=[33])

    @pytest.mark.parametrize(
        "arguments",
        [{"trade_off": -1.0}, {"trade_off": np.inf}, {"epsilon": 0.0}, {"metric": "dot"}],
        ids=repr,
    )
    def test_arguments_that_cannot_be_used(self, arguments):
        (name,) = arguments
        with pytest.raises(ValueError, match=rf"^{name}: got "):
            GIST(**arguments)
